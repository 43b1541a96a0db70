import { createHash } from 'node:crypto';
import type { Queryable } from '../../database/instance-view.ts';
import { ProblemError } from '../http/problem.ts';

export interface IdempotentRequest {
  userId: string;
  key: string;
  /** What has to be the same when the key comes again. */
  body: unknown;
}

export interface Answered<Answer> {
  answer: Answer;
  /** It is that of an earlier request. */
  replayed: boolean;
}

/**
 * Does the work of a key once and keeps its answer for 24 hours. To be called in a transaction: what is done, and that it is
 * done, are one commit, and a request that comes at the same time waits for it.
 *
 * @throws ProblemError when the key was used for another request
 */
export async function once<Answer extends object>(
  database: Queryable,
  { userId, key, body }: IdempotentRequest,
  work: () => Promise<Answer>,
): Promise<Answered<Answer>> {
  const hash = createHash('sha256').update(JSON.stringify(body)).digest('hex');
  await forgetOld(database);
  const { rowCount } = await database.query(
    'insert into idempotency_keys (user_id, key, request_sha256) values ($1, $2, $3) on conflict do nothing',
    [userId, key, hash],
  );
  if (rowCount === 1) {
    const answer = await work();
    await database.query('update idempotency_keys set answer = $3 where user_id = $1 and key = $2', [
      userId,
      key,
      JSON.stringify(answer),
    ]);
    return { answer, replayed: false };
  }
  const { rows } = await database.query<{ request_sha256: string; answer: Answer }>(
    'select request_sha256, answer from idempotency_keys where user_id = $1 and key = $2',
    [userId, key],
  );
  const [first] = rows;
  if (first?.request_sha256 !== hash) {
    const detail = 'Idempotency-Key: was used for another request. Take a new one for each thing that is to be made.';
    throw new ProblemError(422, 'idempotency_key_reused', detail);
  }
  return { answer: first.answer, replayed: true };
}

/** A few at a time, and none that another request is about to forget. */
async function forgetOld(database: Queryable): Promise<void> {
  await database.query(
    `delete from idempotency_keys where (user_id, key) in (
       select user_id, key from idempotency_keys where created_at < clock_timestamp() - interval '24 hours'
       order by created_at limit 100 for update skip locked)`,
  );
}
