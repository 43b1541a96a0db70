import type { ConfirmChannel } from 'amqplib';
import { createConfirmedPublish } from '../bus/confirmed-publish.ts';
import type { EventMessage } from '../bus/outgoing-event.ts';

/** Resolves once the event is routed to a queue and confirmed; rejects when it has to be published again, with the same id. */
export type Publish = (message: EventMessage) => Promise<void>;

export function createPublisher({ channel }: { channel: ConfirmChannel }): Publish {
  const publish = createConfirmedPublish(channel, 'event_broker');
  return async (message) => {
    const { routed } = await publish(message);
    if (!routed) throw new Error(`No queue takes ${message.routingKey}`);
  };
}
