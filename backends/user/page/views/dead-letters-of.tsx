import { addressOf } from '../router.ts';
import { useAdmin } from '../session.ts';
import { useLoaded } from '../ui/loading.tsx';
import { errorText } from '../ui/notice.tsx';

/** How many dead letters an instance has; for admins. */
export function DeadLettersOf({ id }: { id: string }) {
  const admin = useAdmin();
  const { loading, value } = useLoaded((signal) => admin.deadLetters({ instance_id: id }, signal));
  const failure = loading.failure.value;
  const count = value?.letters.length ?? 0;
  return (
    <section class="panel" aria-labelledby="letters">
      <h2 id="letters">Dead letters</h2>
      <div>
        {failure && <p class="warning">{errorText(failure.error)}</p>}
        {value && count === 0 && <p class="quiet">None of this instance.</p>}
        {count > 0 && (
          <p>
            <a href={addressOf(['dead-letters'], { instance_id: id })}>
              {`See ${count === 1 ? 'one' : count} of this instance`}
            </a>
          </p>
        )}
      </div>
    </section>
  );
}
