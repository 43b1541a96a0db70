import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { StopReason } from '../contracts/names.ts';
import type { Cause } from '../workflows/messages.ts';
import { openAmqp } from './amqp.ts';
import { toMessage } from './commands.ts';
import { createConfirmedPublish, type ConfirmedPublish } from './confirmed-publish.ts';
import { ControlPlaneUnavailable, createControlQueues } from './control-queues.ts';
import { describe, supervise, type FatalError, type Session, type Supervised } from './supervise.ts';
import { assertTopology } from './topology.ts';

export interface ControlPlaneOptions {
  amqpUrl: string;
  logger: Logger;
  onFatal: (error: FatalError) => void;
  /** What an agent that listens has between `instance.stop` and SIGTERM. */
  headStartMs: number;
  /** Short, because it holds a stop up. */
  confirmTimeoutMs?: number;
}

interface StopRequest {
  instanceId: string;
  reason: StopReason;
  cause?: Cause | undefined;
  /** Aborts the head start. */
  signal: AbortSignal;
}

interface Connected {
  queues: ReturnType<typeof createControlQueues>;
  publish: ConfirmedPublish;
}

export type ControlPlane = ReturnType<typeof startControlPlane>;

/** Control queues and commands of `agents.direct`, over one connection that recovers; calls made meanwhile reject. */
export function startControlPlane(options: ControlPlaneOptions) {
  const { amqpUrl, logger, onFatal, headStartMs, confirmTimeoutMs = 2_000 } = options;
  let current: Connected | undefined;

  const run = async ({ signal, ready }: Session): Promise<void> => {
    const amqp = await openAmqp({ amqpUrl, connectionName: 'agents_worker.control' });
    try {
      const channel = await amqp.openChannel();
      await assertTopology(channel, 'agents_worker');
      const publish = createConfirmedPublish({ channel, appId: 'agents_worker', confirmTimeoutMs });
      await new Promise<void>((resolve, reject) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
        amqp.broken.catch(reject);
        current = { queues: createControlQueues(amqp, { onFatal: reject }), publish };
        ready();
      });
    } catch (error) {
      throw amqp.explain(error);
    } finally {
      current = undefined;
      await amqp.close();
    }
  };
  const supervised: Supervised = supervise({ name: 'control_plane', logger, run, onFatal });

  const connected = (): Connected => {
    if (!current) throw new ControlPlaneUnavailable('RabbitMQ is not connected at the moment; this is tried again.');
    return current;
  };

  return {
    ...supervised,

    /**
     * Makes the queue of an instance anew: empty, so that an agent sees no command that was for the one before it, and
     * bound to nothing but its instance and its agent of now.
     *
     * @throws ControlPlaneUnavailable
     */
    openQueue: async ({ instanceId, agentId }: { instanceId: string; agentId: string }): Promise<void> =>
      connected().queues.open(instanceId, agentId),

    /**
     * Makes whatever of the queue and its bindings somebody has removed. What is in the queue stays.
     *
     * @throws ControlPlaneUnavailable
     */
    keepQueue: async ({ instanceId, agentId }: { instanceId: string; agentId: string }): Promise<void> =>
      connected().queues.keep(instanceId, agentId),

    /**
     * Tolerates that there is none.
     *
     * @throws ControlPlaneUnavailable
     */
    removeQueue: async (instanceId: string): Promise<void> => connected().queues.remove(instanceId),

    /**
     * Asks an agent to stop and gives it its head start; returns at once when it has no queue or does not listen. Never
     * rejects: an agent must not run on because RabbitMQ is away.
     */
    requestStop: async ({ instanceId, reason, cause, signal }: StopRequest): Promise<void> => {
      try {
        const { queues, publish } = connected();
        const deadlineMs = Date.now() + headStartMs;
        const body = { instance_id: instanceId, reason, deadline: new Date(deadlineMs).toISOString() };
        const { routed } = await publish(toMessage({ type: 'instance.stop', to: instanceId, body, cause }));
        if (!routed) return;
        // A connection that hangs must not hold the stop up.
        const timeIsUp = delay(headStartMs, undefined, { ref: false });
        await Promise.race([queues.untilUnused(instanceId, deadlineMs, signal), timeIsUp]);
      } catch (error) {
        logger.warn({ instanceId, error: describe(error) }, 'an agent could not be asked to stop; SIGTERM follows');
      }
    },

    /**
     * Tells all instances of an agent that they are to be drained, with one message; nobody needs to listen.
     *
     * @throws when RabbitMQ has not taken it: to be published again
     */
    announceDrain: async ({ agentId, cause }: { agentId: string; cause: Cause }): Promise<void> => {
      const body = { agent_id: agentId, reason: 'agent_retired' } as const;
      await connected().publish(toMessage({ type: 'instance.drain', to: agentId, body, cause }));
    },
  };
}
