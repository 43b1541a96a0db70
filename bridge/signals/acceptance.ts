import type { Logger } from 'pino';
import { describeTemporalError, explainTemporalRefusal, kindOfRefusal } from './temporal-refusal.ts';
import { acceptanceLimits } from './time-limits.ts';

/** A call to Temporal that is repeated until Temporal accepts it. */
export interface Request {
  /** Must be called with each refusal. */
  refused: (error: unknown) => void;
  /** Must be called when the call is accepted, or is not repeated any more. */
  end: () => void;
}

export interface Acceptance {
  readonly name: string;
  /** Not ready while a request is refused for a reason that does not pass by itself, or for longer than `lastingMs`. */
  readonly health: { readonly ready: boolean; readonly lastError?: string };
  open(): Request;
  /**
   * Runs work that its caller repeats at least once within that time, though perhaps in another process. Only refusals that do
   * not pass by themselves count.
   */
  repeated<Result>(work: () => Promise<Result>, withinMs: number): Promise<Result>;
}

export interface AcceptanceOptions {
  namespace: string;
  logger: Logger;
  /** A refusal that may pass by itself counts as lasting after this time. */
  lastingMs?: number;
}

interface Refusal {
  since: number;
  passes: boolean;
  said: string;
  explanation: string;
}

/**
 * Follows whether Temporal accepts calls: it may refuse them although the connection works, and then no instance changes. Logs each
 * reason once, and when Temporal accepts calls again.
 */
export function watchAcceptance(options: AcceptanceOptions): Acceptance {
  const { namespace, logger, lastingMs = acceptanceLimits.lastingMs } = options;
  const refusals = new Map<symbol, Refusal>();
  const saidToLast = new Set<string>();
  const saidToPass = new Set<string>();

  const isLasting = ({ since, passes }: Refusal): boolean => !passes || Date.now() - since >= lastingMs;
  const lasting = (): Refusal | undefined => [...refusals.values()].find(isLasting);

  const note = (request: symbol, error: unknown): void => {
    const kind = kindOfRefusal(error);
    const since = refusals.get(request)?.since ?? Date.now();
    const said = describeTemporalError(error);
    const refusal = { since, passes: kind !== 'setUp', said, explanation: explainTemporalRefusal(error, namespace) };
    refusals.set(request, refusal);
    if (isLasting(refusal)) {
      if (!saidToLast.has(said)) logger.error(`Temporal does not accept a call: ${refusal.explanation}`);
      saidToLast.add(said);
    } else if (kind === 'away') {
      if (!saidToPass.has(said)) logger.warn({ error: said }, 'Temporal did not accept a call; trying again');
      saidToPass.add(said);
    }
  };
  const end = (request: symbol): void => {
    if (!refusals.delete(request) || refusals.size > 0) return;
    if (saidToLast.size > 0) logger.info('Temporal accepts calls again');
    saidToLast.clear();
    saidToPass.clear();
  };

  const open = (): Request => {
    const request = Symbol('request');
    return { refused: (error) => note(request, error), end: () => end(request) };
  };
  let lastRepeated: Request | undefined;
  let forget: NodeJS.Timeout | undefined;

  return {
    name: 'temporal_calls',
    health: {
      get ready() {
        return lasting() === undefined;
      },
      get lastError() {
        return lasting()?.explanation;
      },
    } as Acceptance['health'],
    open,
    repeated: async (work, withinMs) => {
      try {
        const result = await work();
        lastRepeated?.end();
        return result;
      } catch (error) {
        if (kindOfRefusal(error) === 'setUp') {
          lastRepeated ??= open();
          lastRepeated.refused(error);
          clearTimeout(forget);
          forget = setTimeout(lastRepeated.end, withinMs).unref();
        }
        throw error;
      }
    },
  };
}
