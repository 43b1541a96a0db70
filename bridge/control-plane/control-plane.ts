import type { Logger } from 'pino';
import type { StopReason } from '../../contracts/names.ts';
import type { Cause } from '../../workflows/messages.ts';
import { openAmqp, type AmqpConnection } from '../bus/connection.ts';
import { toMessage } from './commands.ts';
import { createConfirmedPublish, type ConfirmedPublish } from '../bus/confirmed-publish.ts';
import { ControlPlaneUnavailable, createControlQueues } from './control-queues.ts';
import { errorMessage, type FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import { assertTopology, keepTopology } from '../bus/topology.ts';
import { within } from '../../supervision/within.ts';

export interface ControlPlaneOptions {
  amqpUrl: string;
  logger: Logger;
  onFatal: (error: FatalError) => void;
  /** What an agent that listens has between `instance.stop` and SIGTERM. */
  headStartMs: number;
  /** How long a stop waits until RabbitMQ has taken its command. */
  confirmTimeoutMs?: number;
  /** How often RabbitMQ is asked whether it takes commands. */
  topologyMs?: number;
}

interface StopRequest {
  instanceId: string;
  reason: StopReason;
  cause?: Cause | undefined;
  /** Aborts the head start. */
  signal: AbortSignal;
}

interface Connected {
  amqp: AmqpConnection;
  queues: ReturnType<typeof createControlQueues>;
  publish: ConfirmedPublish;
}

export type ControlPlane = ReturnType<typeof startControlPlane>;

/** Control queues and commands of `agents.direct`, over one connection that recovers; calls made meanwhile reject. */
export function startControlPlane(options: ControlPlaneOptions) {
  const { amqpUrl, logger, onFatal, headStartMs, confirmTimeoutMs = 5_000, topologyMs = 5_000 } = options;
  let current: Connected | undefined;

  const run = async (session: Session): Promise<void> => {
    const { signal, ready } = session;
    const amqp = await openAmqp({ amqpUrl, connectionName: 'agents_worker.control', session });
    try {
      const channel = await amqp.openChannel();
      await assertTopology(channel, 'agents_worker');
      const publish = createConfirmedPublish({ channel, appId: 'agents_worker' });
      // A listener for an abort that has been would wait for ever.
      signal.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
        amqp.broken.catch(reject);
        keepTopology({ channel, service: 'agents_worker', everyMs: topologyMs, signal }).catch(reject);
        current = { amqp, queues: createControlQueues(amqp, { onFatal: reject }), publish };
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
    if (!current) throw notConnected();
    const { alarm } = current.amqp;
    if (alarm !== undefined) throw new ControlPlaneUnavailable(`${alarm} This is tried again.`);
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
     * Leaves one alone that an agent listens to, and tolerates that there is none.
     *
     * @throws ControlPlaneUnavailable
     */
    removeUnusedQueue: async (instanceId: string): Promise<void> => connected().queues.removeUnused(instanceId),

    /**
     * Asks an agent to stop and gives it its head start, which begins when the command is in its queue; returns at once when it has
     * no queue or does not listen. Never rejects: an agent must not run on because RabbitMQ is away.
     */
    requestStop: async ({ instanceId, reason, cause, signal }: StopRequest): Promise<void> => {
      try {
        const { queues, publish } = connected();
        const deadline = new Date(Date.now() + headStartMs).toISOString();
        const body = { instance_id: instanceId, reason, deadline };
        const taken = publish(toMessage({ type: 'instance.stop', to: instanceId, body, cause }));
        const answer = await within(confirmTimeoutMs, taken);
        if (answer === 'too late') throw new Error(`RabbitMQ did not take the command within ${confirmTimeoutMs} ms`);
        if (!answer.routed) return;
        // A connection that hangs must not hold the stop up.
        await within(headStartMs, queues.untilUnused(instanceId, Date.now() + headStartMs, signal));
      } catch (error) {
        logger.warn({ instanceId, error: errorMessage(error) }, 'an agent could not be asked to stop; SIGTERM follows');
      }
    },

    /**
     * Tells all instances of an agent that they are to be drained, with one message; nobody needs to listen. Waits while an alarm
     * of RabbitMQ is in effect.
     *
     * @throws when RabbitMQ has not taken it: to be published again
     */
    announceDrain: async ({ agentId, cause }: { agentId: string; cause: Cause }): Promise<void> => {
      if (!current) throw notConnected();
      const body = { agent_id: agentId, reason: 'agent_retired' } as const;
      await current.publish(toMessage({ type: 'instance.drain', to: agentId, body, cause }));
    },
  };
}

function notConnected(): ControlPlaneUnavailable {
  return new ControlPlaneUnavailable('RabbitMQ is not connected at the moment; this is tried again.');
}
