import { setMaxListeners } from 'node:events';
import type { ConsumeMessage, Message } from 'amqplib';
import type { Logger } from 'pino';
import { catalog, type Catalog } from '../../contracts/catalog.ts';
import type { EventMetadata } from '../../contracts/envelope.ts';
import { eventTypesOf, serviceOf, type DomainQueueName, type EventTypeOf } from '../../contracts/topology.ts';
import { ContractViolation, parseEvent, type IncomingEvent } from './incoming-event.ts';
import { CannotWork, type FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import { amqpLimits } from './time-limits.ts';
import { settle } from './settle.ts';
import { runBusSession, type Bus } from './session.ts';
import { watchDeliveries } from './watch-deliveries.ts';
import { within } from '../../supervision/within.ts';
import { messagesInHand, messagesRedelivered } from '../../metrics/bus.ts';
import { inSpan, type SpanOptions } from '../../tracing/trace.ts';

export interface ConsumerOptions<Queue extends DomainQueueName> {
  name: string;
  amqpUrl: string;
  queue: Queue;
  logger: Logger;
  onFatal: (error: FatalError) => void;
  /**
   * Handles one event, and resolves when the message may be acknowledged. A `ContractViolation` dead-letters the message at once;
   * a programming error such as a TypeError does so when it repeats. After any other error `handle` is called again, until
   * the signal is aborted: an outage must not use up the deliveries that the queue allows. `content` is the body as it was
   * sent, in its original version.
   */
  handle: (event: IncomingEvent<EventTypeOf<Queue>>, signal: AbortSignal, content: Buffer) => Promise<void>;
  /** How many messages are handled at the same time. A crash counts as a delivery of each of them, so keep it small. */
  prefetch?: number;
  /** How often an idle consumer makes sure that RabbitMQ has not forgotten it. */
  checkMs?: number;
  /** Definitions that events are read with. */
  events?: Catalog;
}

/** Consumes a queue, at least once, over connections that recover. */
export function startConsumer<Queue extends DomainQueueName>(options: ConsumerOptions<Queue>): Supervised {
  const { name, amqpUrl, queue, logger, onFatal, handle, prefetch = 16, checkMs = 5_000, events = catalog } = options;
  const read = createReader(queue, events);

  const run = async (session: Session): Promise<void> => {
    const ended = new AbortController();
    setMaxListeners(0, ended.signal);
    const inHand = new Set<Promise<void>>();
    const untilHandled = () => within(amqpLimits.finishMs, Promise.allSettled(inHand));
    const start = async ({ channel, fail }: Bus): Promise<void> => {
      let deliveries = 0;
      let checked = 0;
      let isReady = false;
      const ready = (): void => {
        if (!isReady) session.ready();
        isReady = true;
      };
      const take = (message: Message): void => {
        if (message.fields.redelivered) messagesRedelivered.inc({ queue });
        messagesInHand.inc({ queue });
        const handled = settle({
          message,
          channel,
          queue,
          logger,
          handle: async (signal) => {
            const event = read(message);
            await inSpan(
              () => spanOf(queue, event),
              () => handle(event, signal, message.content),
            );
          },
          signal: ended.signal,
        })
          .catch((error: unknown) => {
            if (!ended.signal.aborted) fail(error);
          })
          .finally(() => {
            inHand.delete(handled);
            messagesInHand.dec({ queue });
          });
        inHand.add(handled);
      };
      const onMessage = (message: ConsumeMessage | null): void => {
        deliveries += 1;
        if (message) {
          ready();
          take(message);
        } else
          fail(new CannotWork(`RabbitMQ cancelled the consumer of ${queue}, because the queue was deleted or moved`));
      };
      const isIdle = (): boolean => {
        const had = checked;
        checked = deliveries;
        return deliveries === had && inHand.size < prefetch;
      };
      // All are sent at once, so that a stop cannot come between them.
      await Promise.all([
        channel.prefetch(prefetch),
        channel.consume(queue, onMessage, { consumerTag: name }),
        // RabbitMQ answers `consume` before the queue knows the consumer, and this call after that.
        channel.prefetch(prefetch),
      ]);
      ready();
      const takeForgotten = (message: Message): Promise<unknown> => {
        take(message);
        return untilHandled();
      };
      const signal = AbortSignal.any([session.signal, ended.signal]);
      watchDeliveries({ channel, queue, everyMs: checkMs, signal, isIdle, take: takeForgotten }).catch(fail);
    };
    await runBusSession({
      amqpUrl,
      connectionName: name,
      service: serviceOf(queue),
      session,
      start,
      finish: async (channel) => {
        await channel.cancel(name);
        await untilHandled();
      },
      cleanUp: async () => {
        // Messages that are not handled by now return to the queue when the connection closes.
        ended.abort();
        await untilHandled();
      },
    });
  };
  return supervise({ name, logger, run, onFatal });
}

function createReader<Queue extends DomainQueueName>(queue: Queue, events: Catalog) {
  const types: string[] = eventTypesOf(queue);
  return (message: Message): IncomingEvent<EventTypeOf<Queue>> => {
    const event = parseEvent(message, events);
    if (!types.includes(event.type)) {
      throw new ContractViolation(`${event.type} does not belong into ${queue}, which is for ${types.join(', ')}`);
    }
    return event as IncomingEvent<EventTypeOf<Queue>>;
  };
}

function spanOf(queue: string, { metadata }: { metadata: EventMetadata }): SpanOptions {
  const { id, type, subject, traceparent } = metadata;
  const attributes = { 'messaging.destination.name': queue, 'event.id': id, 'event.subject': subject };
  return { name: `process ${type}`, parent: traceparent, kind: 'CONSUMER', attributes };
}
