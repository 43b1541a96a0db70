import type { ConfirmChannel } from 'amqplib';
import { createConfirmedPublish } from '../bus/confirmed-publish.ts';
import type { EventMessage } from '../bus/outgoing-event.ts';
import { inSpan, recordSpan, type SpanOptions } from '../../tracing/trace.ts';
import { publicationFailures, publicationSeconds, published, unconfirmed } from '../../metrics/event-log.ts';

/** Resolves once the event is routed to a queue and confirmed; rejects when it has to be published again, with the same id. */
export type Publish = (message: EventMessage) => Promise<void>;

export function createPublisher({ channel }: { channel: ConfirmChannel }): Publish {
  const publish = createConfirmedPublish(channel, 'event_broker');
  return async (message) => {
    unconfirmed.inc();
    const confirmed = publicationSeconds.startTimer();
    try {
      const { routed } = await inSpan(
        () => spanOf(message),
        () => publish(message),
      );
      if (!routed) throw new Error(`No queue takes ${message.routingKey}`);
      confirmed();
      published.inc({ type: message.routingKey });
    } catch (error) {
      publicationFailures.inc();
      throw error;
    } finally {
      unconfirmed.dec();
    }
  };
}

/** The wait in the log is a span of its own, which the span of the publication goes on from. */
function spanOf({ routingKey, metadata }: EventMessage): SpanOptions {
  const { id, subject, time, position, sequence, traceparent } = metadata;
  const attributes = { 'event.id': id, 'event.subject': subject, 'event.sequence': sequence };
  const inLog = recordSpan(() => ({
    name: `event_log ${routingKey}`,
    parent: traceparent,
    startTime: new Date(time),
    attributes: { ...attributes, ...(position !== undefined && { 'event.position': position }) },
  }));
  return { name: `publish ${routingKey}`, parent: inLog ?? traceparent, kind: 'PRODUCER', attributes };
}
