import { addressOf } from '../router.ts';
import { useAdmin } from '../session.ts';
import { Load } from '../ui/loading.tsx';

/** How many dead letters an instance has; for admins. */
export function DeadLettersOf({ id }: { id: string }) {
  const admin = useAdmin();
  return (
    <section class="panel" aria-labelledby="letters">
      <h2 id="letters">Dead letters</h2>
      <Load from={(signal) => admin.deadLetters({ instance_id: id }, signal)}>
        {({ letters: { length: count } }) =>
          count === 0 ? (
            <p class="quiet">None of this instance.</p>
          ) : (
            <a href={addressOf(['dead-letters'], { instance_id: id })}>
              {`See ${count === 1 ? 'one' : count} of this instance`}
            </a>
          )
        }
      </Load>
    </section>
  );
}
