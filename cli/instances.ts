import type { Client } from 'pg';
import { findInstanceIds } from '../database/instances/find.ts';
import { CommandError } from './command-error.ts';
import type { IdPrefix } from './ids.ts';

const shownCandidates = 5;

/** Finds the only instance with a row whose id begins like that. @throws CommandError when no instance or several fit */
export async function resolveInstance(client: Client, prefix: IdPrefix): Promise<string> {
  return single(
    await findInstanceIds(client, prefix, shownCandidates + 1),
    prefix,
    'See npx instances list; npx instances explain also knows deleted instances.',
  );
}

/** The same for all instances that ever existed, by the event log. */
export async function resolveEver(client: Client, prefix: IdPrefix): Promise<string> {
  if (prefix.complete) return prefix.text;
  const { rows } = await client.query<{ id: string }>(
    `select distinct entity_id as id from event_log
     where entity_id between $1 and $2 and notification ->> 'table' = 'instances' order by 1 limit ${shownCandidates + 1}`,
    [prefix.lowest, prefix.highest],
  );
  return single(
    rows.map(({ id }) => id),
    prefix,
    'See npx instances list.',
  );
}

function single(ids: string[], { text, complete }: IdPrefix, advice: string): string {
  const [id, ...others] = ids;
  if (id === undefined) {
    throw new CommandError(`There is no instance ${complete ? text : `whose id begins with ${text}`}. ${advice}`);
  }
  if (others.length === 0) return id;
  const shown = ids.slice(0, shownCandidates).join(', ');
  const more = ids.length > shownCandidates ? ' and more' : '';
  throw new CommandError(`Several instances begin with ${text}: ${shown}${more}. Give more of the id.`);
}
