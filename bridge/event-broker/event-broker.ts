import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { markPublished, markRejected, takeUnpublished, type EventLogEntry } from './event-log.ts';
import { becomeLeader, type Leader } from './leader.ts';
import type { EventMessage } from '../bus/outgoing-event.ts';
import { createPublisher, type Publish } from './publisher.ts';
import type { FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import { leadership } from './time-limits.ts';
import { runBusSession } from '../bus/session.ts';
import { keepTopology } from '../bus/topology.ts';
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
    const leader = await becomeLeader({ databaseUrl, logger, signal, onNotification: endPause, onStandby: standby });
    const ended = new AbortController();
    let work: Promise<void> | undefined;
    const publishAll = async (publish: Publish): Promise<void> => {
      while (!ended.signal.aborted) {
        await drain({ leader, publish, limits, logger, signal: ended.signal });
        await delay(pollMs, undefined, { signal: wake.signal }).catch(() => undefined);
        wake = new AbortController();
      }
    };
    try {
      await runBusSession({
        amqpUrl,
        connectionName: 'event_broker',
        heartbeatSeconds: leadership.amqpHeartbeatSeconds,
        service: 'event_broker',
        session,
        start: ({ channel, fail }) => {
          leader.broken.catch(fail);
          keepTopology({ channel, service: 'event_broker', everyMs: topologyMs, signal }).catch(fail);
          ready();
          work = publishAll(createPublisher({ channel }));
          return work;
        },
        cleanUp: async () => {
          ended.abort();
          endPause();
          await work?.catch(() => undefined);
        },
      });
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
}

async function drain({ leader, publish, limits, logger, signal }: Drain): Promise<void> {
  const { client } = leader;
  while (!signal.aborted) {
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
