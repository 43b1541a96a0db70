import { signal } from '@preact/signals';
import { Problem } from '../api/request.ts';
import { markClass } from './marks.tsx';

const done = signal('');
const wrong = signal('');
let forNextView = '';

/** The places of what the page says by itself. Screen readers read the first at once, the second when they are idle. */
export function Notices() {
  return (
    <>
      <div id="alert" class={markClass('failed')} role="alert">
        {wrong.value !== '' && <p>{wrong.value}</p>}
      </div>
      <div id="notice" role="status">
        {done.value !== '' && <p>{done.value}</p>}
      </div>
    </>
  );
}

export function say(text: string): void {
  wrong.value = '';
  done.value = text;
}

export function warn(text: string): void {
  done.value = '';
  wrong.value = text;
}

/** Does what somebody asked for, and says that it was done or what went wrong. */
export async function attempt(work: () => Promise<unknown>, text: string): Promise<void> {
  try {
    await work();
    say(text);
  } catch (error) {
    warn(errorText(error));
  }
}

/** Says what was done once the next view is shown. */
export function sayInNextView(text: string): void {
  forNextView = text;
}

/** Replaces the notices of the former view by the notice that was kept for the next one. */
export function renewNotices(): void {
  say(forNextView);
  forNextView = '';
}

export function errorText(error: unknown): string {
  if (error instanceof Problem) return error.message;
  return `The page made a mistake: ${error instanceof Error ? error.message : String(error)}. Load it again.`;
}

/** Why a request failed, with each fault where there are several. The region is always there, so that it is read out. */
export function Failure({ error }: { error: unknown }) {
  const faults = error instanceof Problem && error.errors.length > 1 ? error.errors : [];
  return (
    <div role="alert">
      {error !== undefined && <p class="bad">{errorText(error)}</p>}
      {faults.length > 0 && (
        <ul class="bad">
          {faults.map(({ path, message }) => (
            <li>{`${path}: ${message}`}</li>
          ))}
        </ul>
      )}
    </div>
  );
}
