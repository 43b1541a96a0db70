import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { addressGroup } from './address-group.ts';
import { ProblemError } from './problem.ts';

/**
 * Limits the requests of one user, or of one address (one /64 of IPv6) if the token is not valid. A hook `onRequest` of each
 * route counts, so requests that are refused later count, too. The returned functions count requests that reach no such hook.
 */
export async function limitRate(app: FastifyInstance, requestsPerMinute: number) {
  const isUnlimited = ({ routeOptions, is404 }: FastifyRequest): boolean =>
    routeOptions.config?.unlimited === true && !is404;
  const refusal = (after: string, retryAfterSeconds?: number): ProblemError =>
    new ProblemError(429, 'too_many_requests', `Too many requests. Try again after ${after}.`, { retryAfterSeconds });
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
    /** Counts a request, but only once if it is called again. @throws ProblemError (429) */
    once: async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      await limit.call(app, request, reply);
    },
    /** Counts a request for a resource that an unlimited route did not find. @throws ProblemError (429) */
    unlimited: async (request: FastifyRequest): Promise<void> => {
      const counted = await count(request);
      if (counted.isAllowed || !counted.isExceeded) return;
      throw refusal(`${counted.ttlInSeconds} seconds`, counted.ttlInSeconds);
    },
  };
}

export type RateLimit = Awaited<ReturnType<typeof limitRate>>;
