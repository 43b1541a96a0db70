import { useSignal } from '@preact/signals';
import type { AuditVerification } from '../api/types.ts';
import { useAdmin } from '../session.ts';
import { Action } from '../ui/action.tsx';
import { useLifetime } from '../ui/loading.tsx';
import { Badge } from '../ui/marks.tsx';
import { errorText } from '../ui/notice.tsx';

type Result =
  | { state: 'none' | 'running' }
  | { state: 'done'; verification: AuditVerification }
  | { state: 'failed'; error: unknown };

/** Verifies on demand that no entry of the trail was changed. */
export function AuditVerificationPanel() {
  const admin = useAdmin();
  const lifetime = useLifetime();
  const result = useSignal<Result>({ state: 'none' });
  const verify = async (): Promise<void> => {
    result.value = { state: 'running' };
    try {
      result.value = { state: 'done', verification: await admin.verification(lifetime) };
    } catch (error) {
      result.value = { state: 'failed', error };
    }
  };
  const present = result.value;
  return (
    <section class="panel verification" aria-label="Verification">
      <p>Each entry is chained to the one before it, so that a change of any of them shows.</p>
      <Action onAction={verify}>Verify the trail</Action>
      <div role="status">
        {present.state === 'running' && <p class="quiet">Verifying …</p>}
        {present.state === 'failed' && <p class="problem">{errorText(present.error)}</p>}
        {present.state === 'done' && <Verification verification={present.verification} />}
      </div>
    </section>
  );
}

function Verification({ verification }: { verification: AuditVerification }) {
  const {
    intact,
    entries,
    first_position: first,
    last_position: last,
    head_hash: head,
    problem,
    notice,
  } = verification;
  if (!intact) {
    return (
      <>
        <p>
          <Badge state="failed" word="not intact" />
        </p>
        <p class="problem">{problem}</p>
      </>
    );
  }
  return (
    <>
      <p>
        <Badge state="running" word="intact" />
        {first === null ? ' There is no entry yet.' : ` ${entries} entries, from position ${first} to ${last}.`}
      </p>
      {notice !== null && <p class="quiet">{notice}</p>}
      {head !== null && (
        <p class="quiet">
          Hash of the last one: <code class="whole">{head}</code>
        </p>
      )}
    </>
  );
}
