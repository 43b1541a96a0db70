import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { startConsumer } from '../../bridge/bus/consumer.ts';
import { readPage, type AgentPush, type InstancePush, type LiveEvent, type Scope } from './published-events.ts';
import { startReplicaFeed } from './replica-feed.ts';
import type { FatalError } from '../../supervision/errors.ts';
import type { Supervised } from '../../supervision/supervise.ts';
import { queueNames } from '../../contracts/names.ts';
import { createAudience } from './audience.ts';
import { createClient } from './client.ts';
import { createLanes } from '../http/lanes.ts';
import { closeWith, toPushed, type Closing } from './messages.ts';
import { startAfter, type Start } from './start-after.ts';

export interface LiveUpdatesOptions {
  amqpUrl: string;
  /** Of shared_psql. Takes up to `catchUpLanes` + 1 connections. Give its queries a time limit. */
  pool: Pool;
  logger: Logger;
  onFatal: (error: FatalError) => void;
  /** Called with each event of an agent, once and in order; the catalog of agents is refreshed by it. */
  onAgentEvent?: (event: AgentPush) => void;
  /** Called when events may be missing, those of agents among them: the catalog is to be loaded anew. */
  onLoss?: () => void;
  heartbeatMs?: number;
  maxConnectionsPerUser?: number;
  /** A client that missed more reads its instances anew. */
  maxMissedEvents?: number;
  /** More than that is not queued for a client that does not read. */
  maxBufferedBytes?: number;
  /** Time for such a client to read what is queued; it is closed then. */
  drainMs?: number;
  /** How many clients read the log at the same time, after a restart that brings all of them back at once. */
  catchUpLanes?: number;
  /** An event that another replica was told of comes here, too, within that time; else the log is read. */
  silenceMs?: number;
}

export interface ConnectOptions {
  userId: string;
  isAdmin?: boolean;
  /** The instances of all users; for admins. */
  all?: boolean;
  /** Id of the last event that the client saw; from now on without one. */
  after?: string | undefined;
  /** When its token does: the connection is closed. */
  expiresAt?: Date;
}

export interface LiveUpdates {
  /** Serves an open socket from here on. Its server should set `maxPayload` to 1 KiB: what clients send is not read. */
  connect(socket: WebSocket, options: ConnectOptions): void;
  /** For health. */
  readonly parts: readonly Supervised[];
  counts(): { clients: number; users: number; catchingUp: number };
  /** Says goodbye to all clients, then ends. */
  close(): Promise<void>;
}

const goodbyeMs = 2_000;

/** Pushes `instance.updated` and `instance.deleted` to the clients of their user: each once, in order, none left out. */
export function startLiveUpdates(options: LiveUpdatesOptions): LiveUpdates {
  const { amqpUrl, pool, logger, onFatal, onAgentEvent, onLoss, silenceMs = 2_000, heartbeatMs = 30_000 } = options;
  const { maxConnectionsPerUser = 50, maxMissedEvents = 10_000, catchUpLanes = 4 } = options;
  const { maxBufferedBytes = 1024 * 1024, drainMs = 30_000 } = options;
  const audience = createAudience();
  const inLane = createLanes(catchUpLanes);
  const sockets = new Set<WebSocket>();
  let isClosing = false;

  const push = (event: InstancePush): void => {
    let text: string | undefined;
    const { position, instance } = event.metadata;
    audience.forEach(instance?.userId ?? '', (client) => client.offer(position, () => (text ??= toPushed(event))));
  };
  const feed = startReplicaFeed({
    amqpUrl,
    pool,
    logger,
    onFatal,
    silenceMs,
    onLoss: () => {
      audience.clients.forEach((client) => client.miss());
      onLoss?.();
    },
    onEvent: (event) => (isOfInstance(event) ? push(event) : onAgentEvent?.(event)),
  });
  // Whichever replica gets a copy of the shared queues: its own queue should have brought the event by then.
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

  return {
    parts,
    counts: () => ({
      clients: audience.clients.size,
      users: audience.users,
      catchingUp: [...audience.clients].filter(({ isLive }) => !isLive).length,
    }),
    connect: (socket, connection) => {
      // It closed meanwhile, and will not say so again.
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
