import { setTimeout as delay } from 'node:timers/promises';
import type { Channel } from 'amqplib';
import { controlQueueName } from '../../contracts/names.ts';
import { controlQueueOf, type QueueDefinition } from '../../contracts/topology.ts';
import type { AmqpConnection } from '../bus/connection.ts';
import { CannotWork, errorMessage, FatalError } from '../../supervision/errors.ts';

import { within } from '../../supervision/within.ts';

/** RabbitMQ is away at the moment, or a queue's node is: to be tried again. */
export class ControlPlaneUnavailable extends Error {
  override name = 'ControlPlaneUnavailable';
}

const pollMs = 25;
/** A call that RabbitMQ does not answer within this time has failed. */
const callMs = 10_000;
/** What RabbitMQ answers where a queue is in use. */
const preconditionFailed = 406;

export interface ControlQueuesOptions {
  /** Called when the account lacks a right, which no further try can give it. */
  onFatal: (error: FatalError) => void;
}

/** The control queues of instances. Every call rejects with `ControlPlaneUnavailable` when RabbitMQ does not serve it. */
export function createControlQueues(amqp: AmqpConnection, { onFatal }: ControlQueuesOptions) {
  /** Each on a channel of its own, so that what RabbitMQ refuses of one queue disturbs nobody else. */
  const onChannel = async (work: (channel: Channel) => Promise<void>, limitMs = callMs): Promise<void> => {
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
    /** Makes the queue anew: empty, and bound to nothing but its instance and its agent of now. */
    open: (instanceId: string, agentId: string): Promise<void> =>
      onChannel(async (channel) => {
        const queue = controlQueueOf({ instanceId, agentId });
        await channel.deleteQueue(queue.name);
        await declare(channel, queue);
      }),

    /** Makes whatever of the queue and its bindings is missing. What is in the queue stays. */
    keep: (instanceId: string, agentId: string): Promise<void> =>
      onChannel((channel) => declare(channel, controlQueueOf({ instanceId, agentId }))),

    /** Tolerates that there is none. */
    remove: (instanceId: string): Promise<void> =>
      onChannel(async (channel) => {
        await channel.deleteQueue(controlQueueName(instanceId));
      }),

    /** Leaves one alone that an agent listens to, and tolerates that there is none. */
    removeUnused: (instanceId: string): Promise<void> =>
      onChannel(async (channel) => {
        await channel.deleteQueue(controlQueueName(instanceId), { ifUnused: true }).catch((error: unknown) => {
          if ((error as { code?: unknown }).code !== preconditionFailed) throw error;
        });
      }),

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

async function declare(channel: Channel, queue: QueueDefinition): Promise<void> {
  await channel.assertQueue(queue.name, { durable: true, arguments: queue.arguments });
  for (const key of queue.routingKeys) await channel.bindQueue(queue.name, queue.exchange, key);
}
