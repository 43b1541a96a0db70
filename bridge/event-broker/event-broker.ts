import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { openAmqp } from '../bus/connection.ts';
import { markPublished, markRejected, takeUnpublished, type EventLogEntry } from './event-log.ts';
import { becomeLeader, type Leader } from './leader.ts';
import type { EventMessage } from '../bus/outgoing-event.ts';
import { createPublisher, type Publish } from './publisher.ts';
import { FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import { leadership } from './time-limits.ts';
import { assertTopology, keepTopology } from '../bus/topology.ts';
import { translate, UntranslatableEntry } from './translate.ts';

export interface EventBrokerOptions {
  databaseUrl: string;
  amqpUrl: string;
  logger: Logger;
  onFatal: (error: FatalError) => void;
  /** The log is read at least this often, because notifications can be lost. This also detects dead connections. */
  pollMs?: number;
  /** How often the topology is declared again, in case somebody has removed a part of it. */
  topologyMs?: number;
  maxBatchEntries?: number;
}

/** Memory that one batch of entries may take. */
const maxBatchBytes = 16 * 1024 * 1024;

/**
 * Publishes the entries of the event log to `events.topic`, at least once and in the order of their positions. Any number of
 * processes may run: one of them leads, and the others are standbys until the leader stops renewing its lease.
 */
export function startEventBroker(options: EventBrokerOptions): Supervised {
  const { databaseUrl, amqpUrl, logger, onFatal, pollMs = 1_000, topologyMs = 5_000 } = options;
  const limits = { maxEntries: options.maxBatchEntries ?? 200, maxBytes: maxBatchBytes };

  const run = async (session: Session): Promise<void> => {
    const { signal, ready, standby } = session;
    // Ends the pause between two rounds. A notification during a round ends the next pause at once.
    let wake = new AbortController();
    const endPause = (): void => wake.abort();
    signal.addEventListener('abort', endPause, { once: true });
    let failure: unknown;
    const fail = (error: unknown): void => {
      failure = error;
      endPause();
    };

    const leader = await becomeLeader({ databaseUrl, logger, signal, onNotification: endPause, onStandby: standby });
    leader.broken.catch(fail);
    try {
      const amqp = await openAmqp({
        amqpUrl,
        connectionName: 'event_broker',
        session,
        heartbeatSeconds: leadership.amqpHeartbeatSeconds,
      });
      amqp.broken.catch(fail);
      try {
        const channel = await amqp.openChannel();
        await assertTopology(channel, 'event_broker');
        keepTopology({ channel, service: 'event_broker', everyMs: topologyMs, signal }).catch(fail);
        const publish = createPublisher({ channel });
        ready();
        while (!signal.aborted) {
          await drain({ leader, publish, limits, logger, signal, failed: () => failure !== undefined });
          await delay(pollMs, undefined, { signal: wake.signal }).catch(() => undefined);
          wake = new AbortController();
          if (failure !== undefined) throw failure;
        }
      } catch (error) {
        // A broken connection explains the errors that follow from it, except for a FatalError.
        throw amqp.explain(error instanceof FatalError ? error : (failure ?? error));
      } finally {
        await amqp.close();
      }
    } finally {
      await leader.close();
    }
  };
  return supervise({ name: 'event_broker', logger, run, onFatal });
}

interface Drain {
  leader: Leader;
  publish: Publish;
  limits: { maxEntries: number; maxBytes: number };
  logger: Logger;
  signal: AbortSignal;
  /** Whether the session has failed, so that it must not publish any more. */
  failed: () => boolean;
}

async function drain({ leader, publish, limits, logger, signal, failed }: Drain): Promise<void> {
  const { client } = leader;
  while (!signal.aborted && !failed()) {
    leader.assertHeld();
    const entries = await takeUnpublished(client, limits);
    if (entries.length === 0) return;
    const events: { entry: EventLogEntry; message: EventMessage }[] = [];
    for (const entry of entries) {
      try {
        events.push({ entry, message: translate(entry) });
      } catch (error) {
        if (!(error instanceof UntranslatableEntry)) throw error;
        logger.error({ eventLogId: entry.id, reason: error.message }, 'an entry of event_log cannot be published');
        await markRejected(client, entry.id, error.message);
      }
    }
    leader.assertHeld();
    const results = await Promise.allSettled(events.map(({ message }) => publish(message)));
    const confirmed = events.filter((_, index) => results[index]?.status === 'fulfilled');
    await markPublished(
      client,
      confirmed.map(({ entry }) => entry.id),
    );
    const failure = results.find((result) => result.status === 'rejected');
    if (failure) throw failure.reason;
  }
}
