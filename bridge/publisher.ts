import type { ConfirmChannel } from 'amqplib';
import { toWireHeaders } from '../contracts/envelope.ts';
import { exchangeNames } from '../contracts/names.ts';
import { createConfirmedPublish } from './confirmed-publish.ts';
import type { OutgoingEvent } from './translate.ts';

export interface PublisherOptions {
  channel: ConfirmChannel;
  /** A confirm that has not come by then counts as refused: the event is published again, with the same id. */
  confirmTimeoutMs?: number;
}

/** Resolves once the event is routed to a queue and confirmed; otherwise it is to be published again. */
export type Publish = (event: OutgoingEvent) => Promise<void>;

export function createPublisher(options: PublisherOptions): Publish {
  const publish = createConfirmedPublish({ ...options, appId: 'event_broker' });
  return async ({ routingKey, body, metadata }) => {
    const headers = toWireHeaders(metadata);
    const { routed } = await publish({ exchange: exchangeNames.events, routingKey, body, metadata, headers });
    if (!routed) throw new Error(`No queue takes ${routingKey}`);
  };
}
