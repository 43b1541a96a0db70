import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { startConsumer } from '../../bridge/bus/consumer.ts';
import { readPage, type AgentPush, type InstancePush, type LiveEvent, type Scope } from './published-events.ts';
import { startReplicaFeed } from './replica-feed.ts';
import type { FatalError } from '../../supervision/errors.ts';
import type { Supervised } from '../../supervision/supervise.ts';
import { queueNames } from '../../contracts/names.ts';
import { countLiveClients, eventsPushed } from '../../metrics/http.ts';
import { recordSpan } from '../../tracing/trace.ts';
import { createAudience } from './audience.ts';
import { createClient } from './client.ts';
import { closeWith, toPushed, type Closing } from './messages.ts';
import { startAfter, type Start } from './start-after.ts';

export interface LiveUpdatesOptions {
  amqpUrl: string;
  /** A pool of shared_psql whose queries have a time limit. Up to `catchUpLanes` + 1 connections are used. */
  pool: Pool;
  logger: Logger;
  onFatal: (error: FatalError) => void;
  /** Called with each event of an agent, once and in order, to refresh the catalog of agents. */
  onAgentEvent?: (event: AgentPush) => void;
  /** Called when events, also of agents, may be missing, so that the catalog has to be loaded again. */
  onLoss?: () => void;
  heartbeatMs?: number;
  maxConnectionsPerUser?: number;
  /** A client that missed more events has to read its instances again. */
  maxMissedEvents?: number;
  /** A client with more bytes to read gets no further events until it has read them. */
  maxBufferedBytes?: number;
  /** Time in which such a client has to read, before its connection is closed. */
  drainMs?: number;
  /** How long this replica waits for an event that the shared queue has brought, before it reads the log. */
  silenceMs?: number;
  /** How often this replica asks the log for events that its queue did not bring. */
  pollMs?: number;
}

export interface ConnectOptions {
  userId: string;
  isAdmin?: boolean;
  /** Asks for the instances of all users, which only admins may see. */
  all?: boolean;
  /** Id of the last event that the client saw. Without it, the client gets the events from now on. */
  after?: string | undefined;
  /** Expiry of the client's token. The connection is closed then. */
  expiresAt?: Date;
}

export interface LiveUpdates {
  /** Serves an open socket. Its server should set `maxPayload` to 1 KiB, because messages of clients are ignored. */
  connect(socket: WebSocket, options: ConnectOptions): void;
  readonly parts: readonly Supervised[];
  counts(): { clients: number; users: number; catchingUp: number };
  /** Says goodbye to all clients, then stops. */
  close(): Promise<void>;
}

const goodbyeMs = 2_000;
/** How many clients read the log at the same time, since a restart brings all clients back at once. */
const catchUpLanes = 4;

/** Pushes every `instance.updated` and `instance.deleted` to the clients of their user, exactly once and in order. */
export function startLiveUpdates(options: LiveUpdatesOptions): LiveUpdates {
  const { amqpUrl, pool, logger, onFatal, onAgentEvent, onLoss, silenceMs = 2_000, heartbeatMs = 30_000 } = options;
  const { maxConnectionsPerUser = 50, maxMissedEvents = 10_000 } = options;
  const { maxBufferedBytes = 1024 * 1024, drainMs = 30_000 } = options;
  const audience = createAudience();
  const inLane = pLimit(catchUpLanes);
  const sockets = new Set<WebSocket>();
  let isClosing = false;

  const push = (event: InstancePush): void => {
    let text: string | undefined;
    const { position, instance, id, subject, traceparent } = event.metadata;
    audience.forEach(instance?.userId ?? '', (client) => client.offer(position, () => (text ??= toPushed(event))));
    if (text === undefined) return;
    eventsPushed.inc({ type: event.type });
    recordSpan(() => ({
      name: `push ${event.type}`,
      parent: traceparent,
      kind: 'PRODUCER',
      attributes: { 'event.id': id, 'event.subject': subject },
    }));
  };
  const feed = startReplicaFeed({
    amqpUrl,
    pool,
    logger,
    onFatal,
    silenceMs,
    pollMs: options.pollMs,
    onLoss: () => {
      audience.clients.forEach((client) => client.miss());
      onLoss?.();
    },
    onEvent: (event) => (isOfInstance(event) ? push(event) : onAgentEvent?.(event)),
  });
  // One replica gets each event of the shared queues. Its own queue should bring the same event.
  const shared = { amqpUrl, logger, onFatal, prefetch: 100 };
  const handle = async ({ metadata }: { metadata: { position?: number | undefined } }): Promise<void> =>
    feed.expect(metadata.position);
  const parts = [
    feed,
    startConsumer({ ...shared, name: queueNames.userBackendWsUpdates, queue: queueNames.userBackendWsUpdates, handle }),
    startConsumer({ ...shared, name: queueNames.userBackendAgent, queue: queueNames.userBackendAgent, handle }),
  ];
  const heartbeat = setInterval(() => audience.clients.forEach((client) => client.beat()), heartbeatMs);

  const findStart = async (after: string | undefined, scope: Scope): Promise<Start> => {
    await feed.begun;
    return after === undefined ? { now: true } : inLane(() => startAfter(pool, after, scope, maxMissedEvents));
  };

  const refusal = ({ userId, isAdmin = false, all = false }: ConnectOptions): Closing | undefined => {
    if (isClosing) return 'goingAway';
    if (all && !isAdmin) return 'adminsOnly';
    return audience.count(userId) >= maxConnectionsPerUser ? 'tooManyConnections' : undefined;
  };

  const counts = () => ({
    clients: audience.clients.size,
    users: audience.users,
    catchingUp: [...audience.clients].filter(({ isLive }) => !isLive).length,
  });
  const endCount = countLiveClients(counts);

  return {
    parts,
    counts,
    connect: (socket, connection) => {
      // A socket that has closed meanwhile emits no further `close`.
      if (socket.readyState !== socket.OPEN) return;
      const { userId, all = false, after, expiresAt } = connection;
      const refused = refusal(connection);
      if (refused) {
        socket.on('error', () => undefined);
        closeWith(socket, refused);
        return;
      }
      const scope: Scope = all ? 'instances' : { userId };
      const client = createClient({
        socket,
        findStart: () => findStart(after, scope),
        feedPosition: () => feed.position ?? 0,
        readPage: (position) => inLane(() => readPage(pool, { scope, after: position })),
        logger,
        maxBufferedBytes,
        drainMs,
        expiresAt,
      });
      sockets.add(socket);
      audience.add(client, userId, all);
      socket.once('close', () => {
        sockets.delete(socket);
        audience.remove(client, userId);
      });
    },
    close: async () => {
      isClosing = true;
      endCount();
      clearInterval(heartbeat);
      const goodbyes = [...sockets].map((socket) => once(socket, 'close'));
      audience.clients.forEach((client) => client.end('goingAway'));
      await Promise.race([Promise.all(goodbyes), delay(goodbyeMs)]);
      for (const socket of sockets) socket.terminate();
      await Promise.all(parts.map((part) => part.stop()));
    },
  };
}

function isOfInstance(event: LiveEvent): event is InstancePush {
  return event.type.startsWith('instance.');
}
