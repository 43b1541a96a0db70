import { randomUUID } from 'node:crypto';
import type { Channel, ConsumeMessage } from 'amqplib';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { replicaQueueOf } from '../../contracts/topology.ts';
import { ContractViolation, parseEvent } from '../../bridge/bus/incoming-event.ts';
import { runBusSession, type Bus } from '../../bridge/bus/session.ts';
import { amqpLimits } from '../../bridge/bus/time-limits.ts';
import { watchEvents } from '../../bridge/bus/watch-events.ts';
import { readHead, readPage, readPublished, type LiveEvent } from './published-events.ts';
import { createIntake } from './replica-intake.ts';
import { watchSilence, type SilenceWatch } from './silence-watch.ts';
import { CannotWork, errorMessage, type FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import { within } from '../../supervision/within.ts';

export interface ReplicaFeedOptions {
  amqpUrl: string;
  /** The database whose event log fills the gaps in what the queue brings. */
  pool: Pool;
  logger: Logger;
  onFatal: (error: FatalError) => void;
  /** Called with each event that concerns clients, exactly once and in the order of the positions, from the start of the feed. */
  onEvent: (event: LiveEvent) => void;
  /** Called when events may be missing between the events before and after: the receiver has to read its data again. */
  onLoss: () => void;
  /** An expected event that the queue does not bring within this time was lost: a new queue is opened, and the log is read. */
  silenceMs: number;
  /** How often the log is asked for its newest position. */
  pollMs?: number | undefined;
}

export interface ReplicaFeed extends Supervised {
  /** All events up to this position were handed on; undefined before the feed was first ready. */
  readonly position: number | undefined;
  /** Resolves once the feed has a position. */
  readonly begun: Promise<void>;
  /** Tells the feed that an event of this position exists, which its own queue should therefore bring. */
  expect(position: number | undefined): void;
}

/** Brings all events to one replica of user_backend, over a queue of its own. */
export function startReplicaFeed(options: ReplicaFeedOptions): ReplicaFeed {
  const { amqpUrl, pool, logger, onFatal, onEvent, onLoss, silenceMs, pollMs = 10_000 } = options;
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

  const hasLost = async (channel: Channel, queue: string, upTo: number): Promise<boolean> => {
    // After the first answer, everything that the queue held is with the process of the channel, in front of the second call.
    await channel.checkQueue(queue);
    const { messageCount } = await channel.checkQueue(queue);
    if (messageCount > 0) return false;
    await intake.settled();
    const after = intake.position ?? 0;
    const { events } = await readPage(pool, { scope: 'everything', after, maxEntries: 1 });
    const next = events[0]?.metadata.position ?? Infinity;
    if (next <= upTo) return (intake.position ?? 0) < next;
    // The queue does not bring events that concern no client.
    await intake.catchUp();
    return false;
  };

  const run = async (session: Session): Promise<void> => {
    let hasEnded = false;
    // A fresh name for each session, because what a session left in its queue is read from the log.
    const { name: queue, routingKeys, arguments: given } = replicaQueueOf(randomUUID());
    const start = async ({ channel, fail }: Bus): Promise<void> => {
      await watchEvents({
        channel,
        queue: { name: queue, arguments: given },
        keys: routingKeys,
        onMessage: (message) => {
          const event = read(message);
          if (event) intake.take(event).catch(fail);
        },
        onCancel: () =>
          fail(new CannotWork(`RabbitMQ cancelled the consumer of ${queue}, because the queue was deleted`)),
      });
      await intake.catchUp();
      if (hasEnded) return;
      watch = watchSilence({
        position: () => intake.position ?? 0,
        readHead: head,
        readPublished: (after) => readPublished(pool, after),
        hasLost: (upTo) => hasLost(channel, queue, upTo),
        silenceMs,
        pollMs,
      });
      watch.silent.catch(fail);
      begin();
      session.ready();
    };
    const finish = async (channel: Channel): Promise<void> => {
      await within(amqpLimits.finishMs, channel.deleteQueue(queue));
    };
    const cleanUp = (): void => {
      hasEnded = true;
      watch?.end();
      watch = undefined;
    };
    const connectionName = 'user_backend.replica';
    await runBusSession({ amqpUrl, connectionName, service: 'user_backend', session, start, finish, cleanUp });
  };
  const supervised = supervise({ name: 'user_backend.replica', logger, run, onFatal });

  return {
    ...supervised,
    begun,
    get position() {
      return intake.position;
    },
    // Before a session has begun, nothing needs to be expected: the session reads the log.
    expect: (position) => watch?.expect(position ?? 0),
  };
}

/**
 * Parses the messages of the queue. The reader returns undefined for a message that is no event, which the consumer of the shared
 * queue dead-letters, and for a message on which the program fails: the log has every event anyway.
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
