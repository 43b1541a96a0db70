import { setTimeout as delay } from 'node:timers/promises';
import { isGrpcServiceError } from '@temporalio/client';
import type { Logger } from 'pino';
import { ContractViolation } from './incoming-event.ts';
import { describe } from './supervise.ts';

export interface UntilAcceptedOptions {
  /** One call to Temporal; safe to repeat. */
  call: () => Promise<unknown>;
  logger: Logger;
  /** Says in the log what the call is about. */
  about: object;
  signal: AbortSignal;
  /** Doubled up to `maxRetryMs`. */
  firstRetryMs?: number;
  maxRetryMs?: number;
}

/**
 * Repeats a call until Temporal has accepted it: whatever keeps it from doing so (away, over its rate limit, a workflow
 * just closing) passes.
 *
 * @throws ContractViolation when Temporal refuses the call for what it says; the signal's reason when aborted
 */
export async function untilAccepted(options: UntilAcceptedOptions): Promise<void> {
  const { call, logger, about, signal, firstRetryMs = 100, maxRetryMs = 10_000 } = options;
  for (let retryMs = firstRetryMs; ; retryMs = Math.min(retryMs * 2, maxRetryMs)) {
    try {
      await call();
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (isRefusedForGood(error)) {
        throw new ContractViolation(`Temporal refuses it: ${describeGrpc(error)}`, { cause: error });
      }
      const log = { ...about, retryInMs: retryMs, error: describeGrpc(error) };
      logger.warn(log, 'Temporal did not accept a signal; trying again');
      await delay(retryMs, undefined, { signal });
    }
  }
}

const invalidArgument = 3;

/**
 * Only an invalid argument is the message's own fault; but Temporal says the same when a run has had too many signals,
 * which the next run will not have, and as long as the search attributes are not registered.
 */
function isRefusedForGood(error: unknown): boolean {
  const grpc = grpcError(error);
  return grpc?.code === invalidArgument && !/search attribute|signal.*limit|limit.*signal/i.test(grpc.details);
}

function describeGrpc(error: unknown): string {
  return grpcError(error)?.details ?? describe(error);
}

/** The client wraps what gRPC reports in an error of its own. */
function grpcError(error: unknown) {
  const { cause } = error as { cause?: unknown };
  if (isGrpcServiceError(error)) return error;
  return isGrpcServiceError(cause) ? cause : undefined;
}
