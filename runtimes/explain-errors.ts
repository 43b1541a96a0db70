import { AgentNotReady, RuntimeUnavailable, SpecRejected, type EffectContext } from './runtime.ts';
import { withHeartbeat } from './with-heartbeat.ts';

const ownErrors = [SpecRejected, AgentNotReady, RuntimeUnavailable];

/**
 * For a runtime whose agents run on a server of its own: turns every error that is the server's fault into RuntimeUnavailable, after which the
 * caller tries again.
 */
export function explainErrors(asUnavailable: (error: unknown) => RuntimeUnavailable) {
  async function explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (ownErrors.some((known) => error instanceof known) || isMistake(error)) throw error;
      throw asUnavailable(error);
    }
  }

  /** The same for work that can be cancelled, and that gives signs of life. @throws the signal's reason when it is aborted */
  async function guarded<T>(context: EffectContext, work: () => Promise<T>): Promise<T> {
    try {
      return await withHeartbeat(context, () => explained(work));
    } catch (error) {
      context.signal.throwIfAborted();
      throw error;
    }
  }

  return { explained, guarded };
}

/** A mistake in the code or an id that is none. The network's TypeErrors have a cause. */
function isMistake(error: unknown): boolean {
  return error instanceof TypeError && error.cause === undefined;
}
