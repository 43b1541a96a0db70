import type { PoolClient } from 'pg';
import { z } from 'zod';
import { ProblemError } from '../http/problem.ts';
import { instance, type Instance } from './schemas.ts';

/** The client chooses a new key for each instance that it wants to create. */
export const idempotencyKey = z
  .string()
  .regex(/^[\x20-\x7e]{1,255}$/, 'must be 1 to 255 printable characters')
  .meta({ description: 'A repeat with the same key within 24 hours creates nothing and gets the same answer.' });

export interface KeyedRequest {
  userId: string;
  key: string;
  /** Bodies are compared as JSON: spaces and the order of members do not matter. */
  bodyText: string;
}

const hash = (parameter: string) => `sha256(convert_to((${parameter}::jsonb)::text, 'UTF8'))`;

/**
 * Creates an instance within the transaction. A reused key creates nothing and returns the stored answer. Concurrent requests
 * with one key wait for the first.
 *
 * @throws ProblemError if the key was used with another body
 */
export async function createOnce(
  client: PoolClient,
  { userId, key, bodyText }: KeyedRequest,
  create: () => Promise<Instance>,
): Promise<{ answer: Instance; isReplay: boolean }> {
  await removeOldKeys(client);
  const { rowCount } = await client.query(
    `insert into idempotency_keys as k (user_id, key, request_hash) values ($1, $2, ${hash('$3')})
     on conflict (user_id, key) do update set request_hash = excluded.request_hash, created_at = excluded.created_at
     where k.created_at < clock_timestamp() - interval '24 hours'`,
    [userId, key, bodyText],
  );
  if (rowCount === 0) return { answer: await readAnswer(client, { userId, key, bodyText }), isReplay: true };
  const answer = await create();
  const { config: _, ...kept } = answer;
  await client.query('update idempotency_keys set response = $3 where user_id = $1 and key = $2', [userId, key, kept]);
  return { answer, isReplay: false };
}

async function readAnswer(client: PoolClient, { userId, key, bodyText }: KeyedRequest): Promise<Instance> {
  const { rows } = await client.query<{ same: boolean; response: object; config: object }>(
    `select request_hash = ${hash('$3')} as same, response, coalesce($3::jsonb -> 'config', '{}') as config
     from idempotency_keys where user_id = $1 and key = $2`,
    [userId, key, bodyText],
  );
  const [found] = rows;
  if (!found?.same) {
    throw new ProblemError(
      422,
      'idempotency_key_reused',
      'This Idempotency-Key was used with another body. Use a new key for each instance.',
    );
  }
  return instance.parse({ ...lacking, ...found.response, config: found.config });
}

/** What an answer lacks that was stored before there were hosts, or versions. */
const lacking = {
  host_id: null,
  running_version: null,
  stable_version: null,
  version_policy: 'follow',
  outdated: false,
};

/** Each new key removes some old ones, so that they do not accumulate. Rows that another request removes are skipped. */
async function removeOldKeys(client: PoolClient): Promise<void> {
  await client.query(
    `delete from idempotency_keys where (user_id, key) in (
       select user_id, key from idempotency_keys where created_at < clock_timestamp() - interval '24 hours'
       order by created_at limit 10 for update skip locked)`,
  );
}
