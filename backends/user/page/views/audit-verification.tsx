import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { AuditVerification } from '../api/types.ts';
import { useAdmin } from '../session.ts';
import { Action } from '../ui/action.tsx';
import { useLifetime } from '../ui/loading.tsx';
import { Badge } from '../ui/marks.tsx';
import { errorText } from '../ui/notice.tsx';

/** Verifies on demand that no entry of the trail was changed. */
export function AuditVerificationPanel() {
  const admin = useAdmin();
  const lifetime = useLifetime();
  const outcome = useSignal<ComponentChildren>(undefined);
  const verify = async (): Promise<void> => {
    outcome.value = <p class="quiet">Verifying …</p>;
    try {
      outcome.value = <Verification verification={await admin.verification(lifetime)} />;
    } catch (error) {
      outcome.value = <p class="bad">{errorText(error)}</p>;
    }
  };
  return (
    <section class="panel verification line" aria-label="Verification">
      <p>Each entry is chained to the one before it, so that a change of any of them shows.</p>
      <Action onAction={verify}>Verify the trail</Action>
      <div role="status">{outcome.value}</div>
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
        <p class="bad">{problem}</p>
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
          Hash of the last one: <code>{head}</code>
        </p>
      )}
    </>
  );
}
