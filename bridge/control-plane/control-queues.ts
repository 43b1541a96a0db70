import { setTimeout as delay } from 'node:timers/promises';
import type { Channel } from 'amqplib';
import { controlQueueName } from '../../contracts/names.ts';
import { controlQueueOf } from '../../contracts/topology.ts';
import type { AmqpConnection } from '../bus/connection.ts';
import { isClosedWith, refusals } from '../bus/refusal.ts';
import { amqpLimits } from '../bus/time-limits.ts';
import { CannotWork, errorMessage, FatalError } from '../../supervision/errors.ts';
import { within } from '../../supervision/within.ts';

/** RabbitMQ, or the node of a queue, is unavailable at the moment. The call has to be repeated. */
export class ControlPlaneUnavailable extends Error {
  override name = 'ControlPlaneUnavailable';
}

/** The instance that a control queue belongs to, and the agent that it runs: the queue is bound by both ids. */
export interface QueueOwner {
  instanceId: string;
  agentId: string;
}

export type ControlQueues = ReturnType<typeof createControlQueues>;

const pollMs = 25;
const { callMs } = amqpLimits;

/**
 * The control queues of instances. Every call rejects with `ControlPlaneUnavailable` when RabbitMQ does not serve it.
 *
 * @param onFatal is called when the account lacks a right: repeating the call cannot help
 */
export function createControlQueues(amqp: AmqpConnection, { onFatal }: { onFatal: (error: FatalError) => void }) {
  /** Gives each call a channel of its own, because RabbitMQ closes the channel of a call that it refuses. */
  const onChannel = async (work: (channel: Channel) => Promise<unknown>, limitMs = callMs): Promise<void> => {
    const workOnOwn = async (): Promise<void> => {
      const channel = await amqp.openSeparateChannel();
      await work(channel);
      channel.close().catch(() => undefined);
    };
    try {
      if ((await within(limitMs, workOnOwn())) === 'too late') {
        throw new CannotWork(amqp.alarm ?? `it did not answer within ${limitMs} ms`);
      }
    } catch (error) {
      const cause = amqp.explain(error);
      if (cause instanceof FatalError) onFatal(cause);
      throw new ControlPlaneUnavailable(`RabbitMQ did not serve a control queue: ${errorMessage(cause)}`, { cause });
    }
  };

  return {
    /** Deletes and declares the queue, so that no command for a previous agent and no binding of one is left. */
    open: (owner: QueueOwner): Promise<void> =>
      onChannel(async (channel) => {
        await channel.deleteQueue(controlQueueName(owner.instanceId));
        await declare(channel, owner);
      }),

    /** Declares the queue and its bindings where they are missing. Commands in the queue stay. */
    keep: (owner: QueueOwner): Promise<void> => onChannel((channel) => declare(channel, owner)),

    remove: (instanceId: string): Promise<void> =>
      onChannel((channel) => channel.deleteQueue(controlQueueName(instanceId))),

    /** Deletes the queue, if there is one that no agent listens to. */
    removeUnused: (instanceId: string): Promise<void> =>
      onChannel((channel) =>
        channel.deleteQueue(controlQueueName(instanceId), { ifUnused: true }).catch((error: unknown) => {
          if (!isClosedWith(error, refusals.preconditionFailed)) throw error;
        }),
      ),

    /** Resolves when nobody consumes the queue any more, at the deadline, or when aborted. */
    untilUnused: (instanceId: string, deadlineMs: number, signal: AbortSignal): Promise<void> =>
      onChannel(
        async (channel) => {
          while (!signal.aborted && Date.now() < deadlineMs) {
            const { consumerCount } = await channel.checkQueue(controlQueueName(instanceId));
            if (consumerCount === 0) return;
            await delay(Math.min(pollMs, Math.max(deadlineMs - Date.now(), 0)));
          }
        },
        deadlineMs - Date.now() + callMs,
      ),
  };
}

async function declare(channel: Channel, owner: QueueOwner): Promise<void> {
  const { name, exchange, routingKeys, arguments: given } = controlQueueOf(owner);
  await channel.assertQueue(name, { durable: true, arguments: given });
  for (const key of routingKeys) await channel.bindQueue(name, exchange, key);
}
