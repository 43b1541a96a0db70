import type { FastifyRequest } from 'fastify';
import pLimit, { type LimitFunction } from 'p-limit';
import { identityOf } from './access.ts';
import { ProblemError } from './problem.ts';

export interface ReadLanesOptions {
  /** Concurrent reads of one user. */
  perUser: number;
  /** Concurrent reads of all users. Each takes a connection of the pool. */
  overall: number;
  waitingPerUser?: number;
  waiting?: number;
}

/**
 * Shares expensive reads fairly between users: many reads of one user wait behind each other, and do not delay other users.
 *
 * @returns a function that throws a ProblemError: 429 if too many reads of the user wait, 503 if too many reads of all users do
 */
export function createReadLanes({ perUser, overall, waitingPerUser = 8, waiting = 200 }: ReadLanesOptions) {
  const inLane = pLimit(overall);
  const users = new Map<string, { inOwnLane: LimitFunction; reads: number }>();
  let reads = 0;

  return async <Result>(request: FastifyRequest, work: () => Promise<Result>): Promise<Result> => {
    const { userId } = identityOf(request);
    const user = users.get(userId) ?? { inOwnLane: pLimit(perUser), reads: 0 };
    if (user.reads >= perUser + waitingPerUser) {
      const detail = `You have ${user.reads} unfinished requests of this kind. Wait until some are answered.`;
      throw new ProblemError(429, 'too_many_at_once', detail, { retryAfterSeconds: 1 });
    }
    if (reads >= overall + waiting) {
      throw new ProblemError(503, 'too_many_at_once', 'Too many requests of this kind are waiting. Try again.', {
        retryAfterSeconds: 5,
      });
    }
    users.set(userId, user);
    user.reads += 1;
    reads += 1;
    try {
      return await user.inOwnLane(() => inLane(() => unlessGone(request, work)));
    } finally {
      reads -= 1;
      user.reads -= 1;
      if (user.reads === 0) users.delete(userId);
    }
  };
}

/** Skips the work for a client that has closed its connection, as nobody would read the answer. */
async function unlessGone<Result>({ raw }: FastifyRequest, work: () => Promise<Result>): Promise<Result> {
  if (raw.socket.destroyed) throw new ProblemError(408, 'client_gone', 'The client closed its connection.');
  return work();
}
