import type { Client } from '@temporalio/client';
import pRetry from 'p-retry';
import { grpcCodes, grpcErrorOf } from '../signals/temporal-refusal.ts';

/** Calls took up to 6 s, and much longer on a busy machine. */
const timeoutMs = 60_000;

/**
 * Calls about worker deployments and builds. The server asks workflows of its own, which answer one question at a time: it refuses further
 * ones, and they succeed a moment later.
 */
export function createServerCalls(client: Client) {
  return <T>(run: () => Promise<T>, mayRepeat: (error: unknown) => boolean = () => false): Promise<T> =>
    pRetry(() => client.withDeadline(Date.now() + timeoutMs, run), {
      retries: 20,
      minTimeout: 200,
      maxTimeout: 2_000,
      maxRetryTime: timeoutMs,
      shouldRetry: ({ error }) =>
        grpcErrorOf(error)?.code === grpcCodes.resourceExhausted || (!isMissing(error) && mayRepeat(error)),
    });
}

function isMissing(error: unknown): boolean {
  return grpcErrorOf(error)?.code === grpcCodes.notFound;
}

/** The workflow of the server that knows the deployment or the build has not begun, or has ended. */
export function isAsleep(error: unknown): boolean {
  const { code, details = '' } = grpcErrorOf(error) ?? {};
  return code === grpcCodes.failedPrecondition && /not scheduled yet/i.test(details);
}

/**
 * A server that changes a deployment or a build denies now and then, for a moment, that there is one (5 of 1,754 questions to a busy server
 * of the release 1.29). So what is missing is asked for again.
 *
 * @returns undefined if there is none, or if the call fails as expected
 */
export async function unlessMissing<T>(
  ask: () => Promise<T>,
  isExpected: (error: unknown) => boolean = () => false,
): Promise<T | undefined> {
  try {
    return await pRetry(ask, { retries: 4, minTimeout: 100, shouldRetry: ({ error }) => isMissing(error) });
  } catch (error) {
    if (isMissing(error) || isExpected(error)) return undefined;
    throw error;
  }
}
