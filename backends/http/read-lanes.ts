import type { FastifyRequest } from 'fastify';
import { identityOf } from './access.ts';
import { createLanes } from './lanes.ts';
import { ProblemError } from './problem.ts';

export interface ReadLanesOptions {
  /** Reads of one user at the same time. */
  perUser: number;
  /** Reads of all users at the same time: the bound on connections of the pool that they take. */
  overall: number;
  /** Further reads of one user that wait for their turn. */
  waitingPerUser?: number;
  /** Further reads of all users that wait. */
  waiting?: number;
}

/**
 * Takes turns between users for reads that are expensive: one user's reads wait behind each other, not before those of others.
 *
 * The function that is returned throws a ProblemError: 429 to a user that waits for too many, 503 when too many wait.
 */
export function createReadLanes({ perUser, overall, waitingPerUser = 8, waiting = 200 }: ReadLanesOptions) {
  const inLane = createLanes(overall);
  const users = new Map<string, { inOwnLane: ReturnType<typeof createLanes>; reads: number }>();
  let reads = 0;

  return async <Result>(request: FastifyRequest, work: () => Promise<Result>): Promise<Result> => {
    const { userId } = identityOf(request);
    const user = users.get(userId) ?? { inOwnLane: createLanes(perUser), reads: 0 };
    if (user.reads >= perUser + waitingPerUser) {
      const detail = `You have ${user.reads} such requests under way: wait for some of them.`;
      throw new ProblemError(429, 'too_many_at_once', detail, { retryAfterSeconds: 1 });
    }
    if (reads >= overall + waiting) {
      throw new ProblemError(503, 'too_many_at_once', 'Too many such requests wait. Try again.', {
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

/** Nobody reads the answer to a client that is gone: it only frees the lane. */
async function unlessGone<Result>({ raw }: FastifyRequest, work: () => Promise<Result>): Promise<Result> {
  if (raw.socket.destroyed) throw new ProblemError(408, 'client_gone', 'The client closed its connection.');
  return work();
}
