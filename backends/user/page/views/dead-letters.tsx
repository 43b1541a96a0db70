import type { DeadLetter } from '../api/types.ts';
import { addressOf, query } from '../router.ts';
import { useAdmin } from '../session.ts';
import { Id, Time } from '../ui/format.tsx';
import { Load } from '../ui/loading.tsx';
import { Badge } from '../ui/marks.tsx';
import { Rows } from '../ui/rows.tsx';

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
  return (
    <Load from={(signal) => admin.deadLetters(filters, signal)}>
      {({ letters, not_looked_at: unread }) => (
        <>
          {unread.map((what) => (
            <p key={what} class="bad">{`Not looked at: ${what}.`}</p>
          ))}
          <Rows
            items={letters}
            row={(letter) => <LetterRow key={letter.id} letter={letter} />}
            empty={<p>There is none: everything was taken in.</p>}
          />
        </>
      )}
    </Load>
  );
}

function LetterRow({ letter }: { letter: DeadLetter }) {
  const { id, queue, type, subject, sequence, time } = letter;
  return (
    <li class="row">
      <div class="row-state stack small">
        <Badge state="failed" word="not taken in" />
      </div>
      <div class="row-main">
        <p class="line">
          <a class="strong" href={addressOf(['dead-letters', queue, id])}>
            {type ?? 'A message without a type'}
            {sequence !== null && ` #${sequence}`}
          </a>
          {subject !== null && (
            <span class="small quiet">
              {' of '}
              <Id of={subject} />
            </span>
          )}
          <span class="small quiet">{` by ${letter.origin_queue}`}</span>
        </p>
        <p class="row-reason small bad">{letter.reason}</p>
      </div>
      <p class="row-time small quiet">
        {time === null ? 'time unknown' : <Time at={time} />}
        {`, ${letter.size_bytes} bytes`}
      </p>
    </li>
  );
}
