import type { Logger } from 'pino';
import type { StopReason } from '../../contracts/names.ts';
import type { Cause } from '../../workflows/messages.ts';
import type { AmqpConnection } from '../bus/connection.ts';
import { toMessage } from './commands.ts';
import { createConfirmedPublish, type ConfirmedPublish } from '../bus/confirmed-publish.ts';
import { ControlPlaneUnavailable, createControlQueues, type ControlQueues, type QueueOwner } from './control-queues.ts';
import { errorMessage, type FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import { runBusSession } from '../bus/session.ts';
import { keepTopology } from '../bus/topology.ts';
import { within } from '../../supervision/within.ts';

export interface ControlPlaneOptions {
  amqpUrl: string;
  logger: Logger;
  onFatal: (error: FatalError) => void;
  /** Time between `instance.stop` and SIGTERM, for agents that listen. */
  headStartMs: number;
}

interface StopRequest {
  instanceId: string;
  reason: StopReason;
  cause?: Cause | undefined;
  signal: AbortSignal;
}

interface Connected {
  amqp: AmqpConnection;
  queues: ControlQueues;
  publish: ConfirmedPublish;
}

export type ControlPlane = ReturnType<typeof startControlPlane>;

/** How long a stop waits until RabbitMQ has taken its command. */
const confirmMs = 5_000;
/** How often the exchange of commands is checked. */
const topologyMs = 5_000;

/**
 * Manages the control queues of instances, and sends commands to agents over `agents.direct`. One connection serves all calls;
 * while it recovers, calls reject with `ControlPlaneUnavailable`.
 */
export function startControlPlane({ amqpUrl, logger, onFatal, headStartMs }: ControlPlaneOptions) {
  let current: Connected | undefined;

  const run = (session: Session): Promise<void> =>
    runBusSession({
      amqpUrl,
      connectionName: 'agents_worker.control',
      service: 'agents_worker',
      session,
      start: ({ amqp, channel, fail }) => {
        const { signal, ready } = session;
        keepTopology({ channel, service: 'agents_worker', everyMs: topologyMs, signal }).catch(fail);
        const publish = createConfirmedPublish(channel, 'agents_worker');
        current = { amqp, queues: createControlQueues(amqp, { onFatal: fail }), publish };
        ready();
      },
      cleanUp: () => {
        current = undefined;
      },
    });
  const supervised: Supervised = supervise({ name: 'control_plane', logger, run, onFatal });

  const connected = (): Connected => {
    if (!current) throw notConnected();
    const { alarm } = current.amqp;
    if (alarm !== undefined) throw new ControlPlaneUnavailable(`${alarm} This is tried again.`);
    return current;
  };

  return {
    ...supervised,

    openQueue: async (owner: QueueOwner): Promise<void> => connected().queues.open(owner),
    keepQueue: async (owner: QueueOwner): Promise<void> => connected().queues.keep(owner),
    removeQueue: async (instanceId: string): Promise<void> => connected().queues.remove(instanceId),
    removeUnusedQueue: async (instanceId: string): Promise<void> => connected().queues.removeUnused(instanceId),

    /**
     * Asks an agent to stop, and waits for its head start, which begins when the command is in the agent's queue. Returns at once
     * when the agent has no queue or does not listen. Never rejects: an agent must be stopped even if RabbitMQ is down.
     */
    requestStop: async ({ instanceId, reason, cause, signal }: StopRequest): Promise<void> => {
      try {
        const { queues, publish } = connected();
        const deadline = new Date(Date.now() + headStartMs).toISOString();
        const body = { instance_id: instanceId, reason, deadline };
        const taken = publish(toMessage({ type: 'instance.stop', to: instanceId, body, cause }));
        const answer = await within(confirmMs, taken);
        if (answer === 'too late') throw new Error(`RabbitMQ did not take the command within ${confirmMs} ms`);
        if (!answer.routed) return;
        // The limit keeps a hanging connection from delaying the stop.
        await within(headStartMs, queues.untilUnused(instanceId, Date.now() + headStartMs, signal));
      } catch (error) {
        logger.warn({ instanceId, error: errorMessage(error) }, 'an agent could not be asked to stop; SIGTERM follows');
      }
    },

    /**
     * Tells all listening instances of an agent, with one message, that they will be drained. Waits while RabbitMQ has a resource
     * alarm.
     *
     * @throws when RabbitMQ has not taken the message, which then has to be published again
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
