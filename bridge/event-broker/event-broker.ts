import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { drain } from './drain.ts';
import { becomeLeader } from './leader.ts';
import { createPublisher, type Publish } from './publisher.ts';
import type { FatalError } from '../../supervision/errors.ts';
import { supervise, type Session, type Supervised } from '../../supervision/supervise.ts';
import { leadership } from './time-limits.ts';
import { runBusSession } from '../bus/session.ts';
import { keepTopology } from '../bus/topology.ts';
import { leading } from '../../metrics/event-log.ts';
import { queueConsumers, queueMessages } from '../../metrics/queues.ts';

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

const defaultLimits = { maxEntries: 500, maxBytes: 8 * 1024 * 1024, maxUnconfirmed: 200 };

/**
 * Publishes the entries of the event log to `events.topic`, at least once and in the order of their positions. Any number of
 * processes may run: one of them leads, and the others are standbys until the leader stops renewing its lease.
 */
export function startEventBroker(options: EventBrokerOptions): Supervised {
  const { databaseUrl, amqpUrl, logger, onFatal, pollMs = 1_000, topologyMs = 5_000 } = options;
  const limits = { ...defaultLimits, ...(options.maxBatchEntries && { maxEntries: options.maxBatchEntries }) };

  const run = async (session: Session): Promise<void> => {
    const { signal, ready, standby } = session;
    // Ends the pause between two rounds. A notification during a round ends the next pause at once.
    let wake = new AbortController();
    const endPause = (): void => wake.abort();
    const leader = await becomeLeader({ databaseUrl, logger, signal, onNotification: endPause, onStandby: standby });
    const { client, assertHeld } = leader;
    const ended = new AbortController();
    let work: Promise<void> | undefined;
    const publishAll = async (publish: Publish): Promise<void> => {
      while (!ended.signal.aborted) {
        await drain({ client, assertHeld, publish, limits, logger, signal: ended.signal });
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
          leading.set(1);
          work = publishAll(createPublisher({ channel }));
          return work;
        },
        cleanUp: async () => {
          leading.set(0);
          queueMessages.reset();
          queueConsumers.reset();
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
