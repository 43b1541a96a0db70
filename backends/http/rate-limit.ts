import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { addressGroup } from './address-group.ts';
import { ProblemError } from './problem.ts';

/**
 * Limits the requests of one user, or of one address (of IPv6, one /64) without a valid token. Routes count by a hook
 * `onRequest`, so that also requests count that are refused later. What never gets to the hook of a route counts by the
 * functions that this returns.
 */
export async function limitRate(app: FastifyInstance, requestsPerMinute: number) {
  const isUnlimited = ({ routeOptions, is404 }: FastifyRequest): boolean =>
    routeOptions.config?.unlimited === true && !is404;
  const refusal = (after: string, retryAfterSeconds?: number): ProblemError =>
    new ProblemError(429, 'too_many_requests', `Too many requests: try again after ${after}.`, { retryAfterSeconds });
  await app.register(rateLimit, {
    max: requestsPerMinute,
    timeWindow: '1 minute',
    allowList: isUnlimited,
    keyGenerator: ({ identity, ip }) => identity?.userId ?? addressGroup(ip),
    errorResponseBuilder: (_, { after }) => refusal(after),
  });
  const limit = app.rateLimit();
  const count = app.createRateLimit();
  return {
    /** Counts a request once, whoever calls. @throws ProblemError (429) */
    once: async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      await limit.call(app, request, reply);
    },
    /** Counts a request whose route is unlimited, but has nothing for it. @throws ProblemError (429) */
    unlimited: async (request: FastifyRequest): Promise<void> => {
      const counted = await count(request);
      if (counted.isAllowed || !counted.isExceeded) return;
      throw refusal(`${counted.ttlInSeconds} seconds`, counted.ttlInSeconds);
    },
  };
}

export type RateLimit = Awaited<ReturnType<typeof limitRate>>;
