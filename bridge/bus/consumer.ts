import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConfirmChannel, ConsumeMessage } from 'amqplib';
import type { Logger } from 'pino';
import { catalog, type Catalog } from '../../contracts/catalog.ts';
import { eventTypesOf, serviceOf, type DomainQueueName, type EventTypeOf } from '../../contracts/topology.ts';
import { openAmqp } from './connection.ts';
import { deadLetter } from './dead-letter.ts';
import { ContractViolation, parseEvent, type IncomingEvent } from './incoming-event.ts';
import { CannotWork, errorMessage, FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import { amqpLimits } from './time-limits.ts';
import { assertTopology } from './topology.ts';
import { within } from '../../supervision/within.ts';

export interface ConsumerOptions<Queue extends DomainQueueName> {
  name: string;
  amqpUrl: string;
  queue: Queue;
  logger: Logger;
  onFatal: (error: FatalError) => void;
  /**
   * Handles one event; resolves when it may be acknowledged. A `ContractViolation` sends the message to the dead-letter
   * queue; so does an error of the program that repeats, a TypeError for example. After any other error it is called
   * again, until the signal is aborted: an outage must not count as deliveries, of which there is a limit. `content` is
   * the body as it was sent, in whichever version.
   */
  handle: (event: IncomingEvent<EventTypeOf<Queue>>, signal: AbortSignal, content: Buffer) => Promise<void>;
  /** Messages handled at the same time. Small: what a crash takes down with it counts as a delivery. */
  prefetch?: number;
  /** How long a stop waits for the messages in hand. */
  finishMs?: number;
  /** By which events are read. */
  events?: Catalog;
}

/** Consumes a queue, at least once, over connections that recover. */
export function startConsumer<Queue extends DomainQueueName>(options: ConsumerOptions<Queue>): Supervised {
  const { name, amqpUrl, queue, logger, onFatal, handle, prefetch = 16, events = catalog } = options;
  const { finishMs = amqpLimits.finishMs } = options;
  const read = createReader(queue, events);

  const run = async (session: Session): Promise<void> => {
    const { signal, ready } = session;
    const amqp = await openAmqp({ amqpUrl, connectionName: name, session });
    const ended = new AbortController();
    setMaxListeners(0, ended.signal);
    const inHand = new Set<Promise<void>>();
    try {
      const channel = await amqp.openChannel();
      await assertTopology(channel, serviceOf(queue));
      await channel.prefetch(prefetch);
      // A listener for an abort that has been would wait for ever.
      signal.throwIfAborted();

      await new Promise<void>((resolve, reject) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
        amqp.broken.catch(reject);
        const onMessage = (message: ConsumeMessage | null): void => {
          if (message === null) {
            reject(
              new CannotWork(`RabbitMQ cancelled the consumer of ${queue}, because the queue was deleted or moved`),
            );
            return;
          }
          const handled = settle({
            message,
            channel,
            queue,
            logger,
            handle: (signalled) => handle(read(message), signalled, message.content),
            signal: ended.signal,
          })
            .catch((error: unknown) => {
              if (!ended.signal.aborted) reject(error);
            })
            .finally(() => inHand.delete(handled));
          inHand.add(handled);
        };
        channel.consume(queue, onMessage, { consumerTag: name }).then(ready, reject);
      });
      await channel.cancel(name);
      await within(finishMs, Promise.allSettled(inHand));
    } catch (error) {
      throw amqp.explain(error);
    } finally {
      // What is not done by now goes back to the queue when the connection closes.
      ended.abort();
      await within(finishMs, Promise.allSettled(inHand));
      await amqp.close();
    }
  };
  return supervise({ name, logger, run, onFatal });
}

/** @throws Error when the catalog has no such queue */
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

/** Handles the message until that succeeds, or until it is dead-lettered. */
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
      if (isFaultOfProgram(error) && failures >= maxFaults) {
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
const maxFaults = 5;

/** Thrown by JavaScript itself: what this message holds leads to it each time. A server that is away passes. */
function isFaultOfProgram(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
}
