import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { addressOf } from '../router.ts';
import { useOneAtATime } from './action.tsx';
import { Failure } from './notice.tsx';

interface FormProps {
  /** Sends what was written. Its failure shows above the buttons. */
  onSend: (texts: Record<string, string>) => Promise<void>;
  action: string;
  /** View that Cancel leads to. Without it, the form is a part of a view, and cannot be cancelled. */
  cancel?: string;
  children: ComponentChildren;
}

/** A form that is not sent twice at the same time. */
export function Form({ onSend, action, cancel, children }: FormProps) {
  const failure = useSignal<unknown>(undefined);
  const { isBusy, handle } = useOneAtATime(async (event) => {
    failure.value = undefined;
    try {
      await onSend(textsOf(event));
    } catch (error) {
      failure.value = error;
    }
  });
  return (
    <form class={cancel ? 'panel form stack' : 'form stack'} onSubmit={handle}>
      {children}
      <Failure error={failure.value} />
      <div class="line">
        <button type="submit" class={cancel ? 'primary' : ''} aria-disabled={isBusy}>
          {action}
        </button>
        {cancel && (
          <a class="button" href={addressOf([cancel])}>
            Cancel
          </a>
        )}
      </div>
    </form>
  );
}

/** What somebody wrote into the named fields of the form that is sent. */
export function textsOf({ currentTarget }: Event): Record<string, string> {
  const data = new FormData(currentTarget as HTMLFormElement);
  return Object.fromEntries([...data].map(([name, value]) => [name, typeof value === 'string' ? value : '']));
}

interface FieldProps {
  id: string;
  label: string;
  /** Text below the control, which it names by `aria-describedby` as `<id>-help`. */
  help?: string;
  children: ComponentChildren;
}

/** A control below its label. */
export function Field({ id, label, help, children }: FieldProps) {
  return (
    <div class="field stack">
      <label for={id}>{label}</label>
      {children}
      {help !== undefined && (
        <p id={`${id}-help`} class="small quiet">
          {help}
        </p>
      )}
    </div>
  );
}
