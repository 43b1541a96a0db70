import { setTimeout as delay } from 'node:timers/promises';
import type { Acceptance } from './acceptance.ts';
import { ContractViolation } from '../bus/incoming-event.ts';
import { describeTemporalError, kindOfRefusal } from './temporal-refusal.ts';
import { acceptanceLimits } from './time-limits.ts';

export interface UntilAcceptedOptions {
  /** One call to Temporal; safe to repeat. */
  call: () => Promise<unknown>;
  acceptance: Acceptance;
  signal: AbortSignal;
  /** Wait before the second call. Doubles up to `maxRetryMs`, or `maxRunRetryMs` if only the current run takes no signals. */
  firstRetryMs?: number;
  maxRetryMs?: number;
  maxRunRetryMs?: number;
}

/**
 * Repeats a call until Temporal accepts it. Outages, rate limits and closing workflows pass; a wrong setup is fixed by a person
 * while the message waits.
 *
 * @throws ContractViolation when Temporal refuses the content of the call; the signal's reason when aborted
 */
export async function untilAccepted(options: UntilAcceptedOptions): Promise<void> {
  const { call, acceptance, signal } = options;
  const { firstRetryMs, maxRetryMs, maxRunRetryMs } = { ...acceptanceLimits, ...options };
  const request = acceptance.open();
  try {
    for (let retryMs = firstRetryMs; ; retryMs *= 2) {
      try {
        await call();
        return;
      } catch (error) {
        signal.throwIfAborted();
        const kind = kindOfRefusal(error);
        if (kind === 'message') {
          throw new ContractViolation(`Temporal refuses it: ${describeTemporalError(error)}`, { cause: error });
        }
        request.refused(error);
        retryMs = Math.min(retryMs, kind === 'run' ? maxRunRetryMs : maxRetryMs);
        await delay(retryMs, undefined, { signal });
      }
    }
  } finally {
    request.end();
  }
}
