import type { DeadLetter } from '../api/types.ts';
import { addressOf, query } from '../router.ts';
import { useAdmin } from '../session.ts';
import { Id, Time } from '../ui/format.tsx';
import { Loaded, useLoaded } from '../ui/loading.tsx';
import { Badge } from '../ui/marks.tsx';

/** Messages that a service could not process, for admins. */
export function DeadLettersView() {
  const filters = query.value;
  const instance = filters.get('instance_id');
  return (
    <>
      <h1>Dead letters</h1>
      <p class="quiet">Messages that a service could not take in. They stay until somebody sends them again.</p>
      {instance && (
        <p>
          Only of instance <Id of={instance} />. <a href={addressOf(['dead-letters'])}>Show all</a>
        </p>
      )}
      <div class="stack">
        <Letters key={filters.toString()} filters={Object.fromEntries(filters)} />
      </div>
    </>
  );
}

function Letters({ filters }: { filters: Record<string, string> }) {
  const admin = useAdmin();
  const { loading, value } = useLoaded((signal) => admin.deadLetters(filters, signal));
  const { letters = [], not_looked_at: unread = [] } = value ?? {};
  return (
    <Loaded loading={loading}>
      {unread.map((what) => (
        <p key={what} class="warning">{`Not looked at: ${what}.`}</p>
      ))}
      {letters.length === 0 ? (
        <div class="panel empty">
          <p>There is none: everything was taken in.</p>
        </div>
      ) : (
        <ul class="rows">
          {letters.map((letter) => (
            <LetterRow key={letter.id} letter={letter} />
          ))}
        </ul>
      )}
    </Loaded>
  );
}

function LetterRow({ letter }: { letter: DeadLetter }) {
  const { id, queue, type, subject, sequence, time } = letter;
  return (
    <li class="row">
      <div class="row-state">
        <Badge state="failed" word="not taken in" />
      </div>
      <div class="row-main">
        <p>
          <a class="strong" href={addressOf(['dead-letters', queue, id])}>
            {type ?? 'A message without a type'}
            {sequence !== null && ` #${sequence}`}
          </a>
          {subject !== null && (
            <span class="quiet">
              {' of '}
              <Id of={subject} />
            </span>
          )}
          <span class="quiet">{` by ${letter.origin_queue}`}</span>
        </p>
        <p class="row-reason">{letter.reason}</p>
      </div>
      <p class="row-time quiet">
        {time === null ? 'time unknown' : <Time at={time} />}
        {`, ${letter.size_bytes} bytes`}
      </p>
    </li>
  );
}
