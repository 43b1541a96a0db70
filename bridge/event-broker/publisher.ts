import type { ConfirmChannel } from 'amqplib';
import { createConfirmedPublish } from '../bus/confirmed-publish.ts';
import type { EventMessage } from '../bus/outgoing-event.ts';

export interface PublisherOptions {
  channel: ConfirmChannel;
  /** A confirm that has not come by then counts as refused: the event is published again, with the same id. An alarm is waited out. */
  confirmTimeoutMs?: number;
}

/** Resolves once the event is routed to a queue and confirmed; otherwise it is to be published again. */
export type Publish = (message: EventMessage) => Promise<void>;

export function createPublisher(options: PublisherOptions): Publish {
  const publish = createConfirmedPublish({ ...options, appId: 'event_broker' });
  return async (message) => {
    const { routed } = await publish(message);
    if (!routed) throw new Error(`No queue takes ${message.routingKey}`);
  };
}
