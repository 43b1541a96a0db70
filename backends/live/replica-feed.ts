import { randomUUID } from 'node:crypto';
import type { Channel, ConsumeMessage } from 'amqplib';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { replicaQueueOf } from '../../contracts/topology.ts';
import { openAmqp } from '../../bridge/bus/connection.ts';
import { ContractViolation, parseEvent } from '../../bridge/bus/incoming-event.ts';
import { readHead, readPage, readPublished, type LiveEvent } from './published-events.ts';
import { createIntake } from './replica-intake.ts';
import { watchSilence, type SilenceWatch } from './silence-watch.ts';
import { CannotWork, errorMessage, type FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import { assertTopology } from '../../bridge/bus/topology.ts';

export interface ReplicaFeedOptions {
  amqpUrl: string;
  /** Of the database whose event log says what a queue has missed. */
  pool: Pool;
  logger: Logger;
  onFatal: (error: FatalError) => void;
  /** Called with each event that concerns clients: each once, in the order of the positions, from the start on. */
  onEvent: (event: LiveEvent) => void;
  /** Called when events may be missing between those before and those after: whoever needs them reads anew. */
  onLoss: () => void;
  /** An event that is known of and has not come by then was lost: the log is read, over a new queue. */
  silenceMs?: number;
  /** How often the log is asked for its newest position. */
  pollMs?: number;
}

export interface ReplicaFeed extends Supervised {
  /** Everything up to here was handed on; undefined before it was ready for the first time. */
  readonly position: number | undefined;
  /** Resolves once there is a position. */
  readonly begun: Promise<void>;
  /** Says that there is such a position: it should come here, too. */
  expect(position: number | undefined): void;
}

/** What every replica of user_backend gets, whichever others there are, over a queue of its own that goes with the connection. */
export function startReplicaFeed(options: ReplicaFeedOptions): ReplicaFeed {
  const { amqpUrl, pool, logger, onFatal, onEvent, onLoss, silenceMs = 2_000, pollMs = 10_000 } = options;
  const head = (): Promise<number> => readHead(pool);
  const intake = createIntake({
    onEvent,
    onLoss,
    logger,
    readHead: head,
    readPage: (after) => readPage(pool, { scope: 'everything', after }),
  });
  const read = createReader(logger);
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let watch: SilenceWatch | undefined;

  const run = async (session: Session): Promise<void> => {
    const { signal, ready } = session;
    const amqp = await openAmqp({ amqpUrl, connectionName: 'user_backend.replica', session });
    let hasEnded = false;
    try {
      const channel = await amqp.openChannel();
      await assertTopology(channel, 'user_backend');
      const queue = await declareReplicaQueue(channel);
      // A listener for an abort that has been would wait for ever.
      signal.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
        amqp.broken.catch(reject);
        const onMessage = (message: ConsumeMessage | null): void => {
          if (message === null) {
            reject(new CannotWork(`RabbitMQ cancelled the consumer of ${queue}, because the queue was deleted`));
            return;
          }
          const event = read(message);
          if (event) intake.take(event).catch(reject);
        };
        const begins = async (): Promise<void> => {
          await channel.consume(queue, onMessage, { noAck: true });
          await intake.catchUp();
          if (hasEnded) return;
          watch = watchSilence({
            position: () => intake.position ?? 0,
            readHead: head,
            readPublished: (after) => readPublished(pool, after),
            silenceMs,
            pollMs,
          });
          watch.silent.catch(reject);
          begin();
          ready();
        };
        begins().catch(reject);
      });
    } catch (error) {
      throw amqp.explain(error);
    } finally {
      hasEnded = true;
      watch?.end();
      watch = undefined;
      await amqp.close();
    }
  };
  const supervised = supervise({ name: 'user_backend.replica', logger, run, onFatal });

  return {
    ...supervised,
    begun,
    get position() {
      return intake.position;
    },
    // A session that is about to begin reads the log anyway.
    expect: (position) => watch?.expect(position ?? 0),
  };
}

async function declareReplicaQueue(channel: Channel): Promise<string> {
  // The queue of a connection that broke without a word may be there for a while, and is nobody else's to use.
  const { name, exchange, routingKeys, consumers: _, ...properties } = replicaQueueOf(randomUUID());
  await channel.assertQueue(name, properties);
  for (const key of routingKeys) await channel.bindQueue(name, exchange, key);
  return name;
}

/**
 * From a message to the event; undefined for what is none, which the consumer of the shared queue dead-letters, and for what the
 * program fails at: the log has every event.
 */
function createReader(logger: Logger): (message: ConsumeMessage) => LiveEvent | undefined {
  let hasWarned = false;
  return (message) => {
    try {
      const event = parseEvent(message);
      if (event.metadata.position !== undefined) return event as LiveEvent;
      if (!hasWarned) {
        logger.warn(
          { eventId: event.metadata.id },
          'events without a position are not pushed: deploy event_broker first',
        );
      }
      hasWarned = true;
    } catch (error) {
      if (!(error instanceof ContractViolation)) {
        logger.error({ error: errorMessage(error) }, 'a message could not be read, and is not pushed');
      }
    }
    return undefined;
  };
}
