import { setTimeout as delay } from 'node:timers/promises';
import type { Connection } from '@temporalio/client';
import type { Logger } from 'pino';
import { CannotWork, errorMessage, FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import { explainTemporalRefusal, grpcCodes, grpcErrorOf, moveAdvice } from '../../bridge/signals/temporal-refusal.ts';
import { ensureSearchAttributes } from './search-attributes.ts';
import { temporalLimits } from './time-limits.ts';

export interface NamespaceWatchOptions {
  connection: Connection;
  namespace: string;
  logger: Logger;
  onFatal: (error: FatalError) => void;
}

export interface NamespaceWatch extends Supervised {
  /** Whether the last check had an answer, even if it was a refusal. */
  reachesTemporal: () => boolean;
}

/**
 * Checks that the namespace still accepts the calls of agents_worker. The check registers search attributes that were removed. It
 * ends with a FatalError when an attribute has another type or the namespace is gone. It is not ready while the namespace is
 * deprecated or the login lacks a right, because a person may repair both while this process runs.
 */
export function startNamespaceWatch({ connection, namespace, logger, onFatal }: NamespaceWatchOptions): NamespaceWatch {
  // Temporal was reached before this starts.
  let isReached = true;
  const check = async (): Promise<void> => {
    const deadline = Date.now() + temporalLimits.namespaceCheckMs;
    await connection.withDeadline(deadline, () => requireRegistered(connection, namespace));
    const registered = await connection.withDeadline(deadline, () => ensureSearchAttributes(connection, namespace));
    if (registered.length === 0) return;
    logger.warn(
      `Search attributes that Temporal's namespace ${namespace} lacked were registered: ${registered.join(', ')}`,
    );
  };

  const checkOnce = async (): Promise<void> => {
    try {
      await check();
      isReached = true;
    } catch (error) {
      isReached = !isAway(error);
      rethrowUnlessMendable(error);
    }
  };

  const run = async ({ signal, ready }: Session): Promise<void> => {
    await checkOnce();
    ready();
    while (!signal.aborted) {
      await delay(temporalLimits.namespaceCheckIntervalMs, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await checkOnce();
    }
  };
  const supervised = supervise({ name: 'temporal_namespace', logger, run, onFatal });
  return Object.assign(supervised, { reachesTemporal: () => isReached });
}

/** Whether the call had no answer of the server. */
function isAway(error: unknown): boolean {
  const code = grpcErrorOf(error)?.code;
  return code === grpcCodes.unavailable || code === grpcCodes.deadlineExceeded;
}

/** A value of `NamespaceState` in Temporal's API. */
const deprecated = 2;

/** @throws FatalError when the namespace does not exist; CannotWork when it is deprecated and starts no new workflows */
async function requireRegistered({ workflowService }: Connection, namespace: string): Promise<void> {
  let state: number | null | undefined;
  try {
    state = (await workflowService.describeNamespace({ namespace })).namespaceInfo?.state;
  } catch (error) {
    const code = grpcErrorOf(error)?.code;
    // A login without the right to read the namespace may still have every right that the engine needs.
    if (code === grpcCodes.permissionDenied) return;
    if (code !== grpcCodes.notFound) throw error;
    throw new FatalError(`Temporal has no namespace ${namespace}: ${explainTemporalRefusal(error, namespace)}`, {
      cause: error,
    });
  }
  if (state === deprecated) {
    throw new CannotWork(`Temporal's namespace ${namespace} is deprecated. ${moveAdvice(namespace)}`);
  }
}

/** agents_worker has started, so Temporal was there and the login had its rights. Both may come back. */
function rethrowUnlessMendable(error: unknown): never {
  if (error instanceof FatalError && grpcErrorOf(error)?.code !== grpcCodes.permissionDenied) throw error;
  throw error instanceof CannotWork ? error : new CannotWork(errorMessage(error), { cause: error });
}
