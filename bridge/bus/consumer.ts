import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConfirmChannel, ConsumeMessage } from 'amqplib';
import type { Logger } from 'pino';
import { catalog, type Catalog } from '../../contracts/catalog.ts';
import { eventTypesOf, serviceOf, type DomainQueueName, type EventTypeOf } from '../../contracts/topology.ts';
import { deadLetter } from './dead-letter.ts';
import { ContractViolation, parseEvent, type IncomingEvent } from './incoming-event.ts';
import { CannotWork, errorMessage, FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import { amqpLimits } from './time-limits.ts';
import { runBusSession, type Bus } from './session.ts';
import { within } from '../../supervision/within.ts';

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
  /** Definitions that events are read with. */
  events?: Catalog;
}

/** Consumes a queue, at least once, over connections that recover. */
export function startConsumer<Queue extends DomainQueueName>(options: ConsumerOptions<Queue>): Supervised {
  const { name, amqpUrl, queue, logger, onFatal, handle, prefetch = 16, events = catalog } = options;
  const read = createReader(queue, events);

  const run = async (session: Session): Promise<void> => {
    const ended = new AbortController();
    setMaxListeners(0, ended.signal);
    const inHand = new Set<Promise<void>>();
    const untilHandled = () => within(amqpLimits.finishMs, Promise.allSettled(inHand));
    const start = async ({ channel, fail }: Bus): Promise<void> => {
      const onMessage = (message: ConsumeMessage | null): void => {
        if (message === null) {
          fail(new CannotWork(`RabbitMQ cancelled the consumer of ${queue}, because the queue was deleted or moved`));
          return;
        }
        const handled = settle({
          message,
          channel,
          queue,
          logger,
          handle: (signal) => handle(read(message), signal, message.content),
          signal: ended.signal,
        })
          .catch((error: unknown) => {
            if (!ended.signal.aborted) fail(error);
          })
          .finally(() => inHand.delete(handled));
        inHand.add(handled);
      };
      // Both are sent at once, so that a stop cannot come between them.
      await Promise.all([channel.prefetch(prefetch), channel.consume(queue, onMessage, { consumerTag: name })]);
      session.ready();
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
  return (message: ConsumeMessage): IncomingEvent<EventTypeOf<Queue>> => {
    const event = parseEvent(message, events);
    if (!types.includes(event.type)) {
      throw new ContractViolation(`${event.type} does not belong into ${queue}, which is for ${types.join(', ')}`);
    }
    return event as IncomingEvent<EventTypeOf<Queue>>;
  };
}

interface Settle extends Pick<ConsumerOptions<DomainQueueName>, 'queue' | 'logger'> {
  handle: (signal: AbortSignal) => Promise<void>;
  message: ConsumeMessage;
  channel: ConfirmChannel;
  signal: AbortSignal;
}

/** Repeats the handling of a message until it succeeds or the message is dead-lettered; then acknowledges the message. */
async function settle({ message, channel, queue, logger, handle, signal }: Settle): Promise<void> {
  const bury = async (reason: string): Promise<void> => {
    logger.error({ queue, messageId: message.properties.messageId, reason }, 'message dead-lettered');
    await deadLetter({ channel, queue, message, reason });
  };
  for (let failures = 1, retryMs = firstRetryMs; ; failures += 1, retryMs = Math.min(retryMs * 2, maxRetryMs)) {
    try {
      await handle(signal);
      break;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof FatalError) throw error;
      if (error instanceof ContractViolation) {
        await bury(error.message);
        break;
      }
      if (isProgrammingError(error) && failures >= maxProgrammingErrors) {
        await bury(`Handling it failed ${failures} times: ${errorMessage(error)}`);
        break;
      }
      const log = { queue, messageId: message.properties.messageId, retryInMs: retryMs, error: errorMessage(error) };
      logger.warn(log, 'a message could not be handled; trying again');
      await delay(retryMs, undefined, { signal });
    }
  }
  channel.ack(message);
}

const firstRetryMs = 100;
const maxRetryMs = 10_000;
const maxProgrammingErrors = 5;

/** JavaScript itself throws these errors: the same message causes them again, unlike an outage, which passes. */
function isProgrammingError(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
}
