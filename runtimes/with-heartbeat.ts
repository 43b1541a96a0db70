import type { EffectContext } from './runtime.ts';

const heartbeatMs = 500;

/**
 * Heartbeats while the work lasts.
 * @throws the signal's reason when it is aborted before the work begins
 */
export async function withHeartbeat<T>({ signal, heartbeat }: EffectContext, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const timer = setInterval(heartbeat, heartbeatMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
