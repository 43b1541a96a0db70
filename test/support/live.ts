import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { startLiveUpdates, type ConnectOptions, type LiveUpdatesOptions } from '../../backends/live/live-updates.ts';
import type { Rig } from './rig.ts';
import { openTestPool } from './test-pool.ts';

export interface Pushed {
  type: string;
  event_id?: string;
  position?: number;
  sequence?: number;
  reason?: string;
  instance?: Record<string, unknown>;
}

export type Replica = Awaited<ReturnType<typeof openReplica>>;
export type Watcher = Awaited<ReturnType<Replica['watch']>>;

/** A replica of user_backend as far as live updates go: a bare WebSocket server that lets everybody in. */
export async function openReplica(rig: Rig, options: Partial<LiveUpdatesOptions> = {}) {
  const pool = openTestPool({ connectionString: rig.environment.DATABASE_URL, max: 5 });
  const log: { msg: string; error?: string }[] = [];
  const logger = pino({}, { write: (line: string) => void log.push(JSON.parse(line) as { msg: string }) });
  const live = startLiveUpdates({
    amqpUrl: rig.environment.AMQP_URL,
    pool,
    logger,
    onFatal: (error) => rig.fatal.push(error),
    ...options,
  });
  const http = createServer();
  const server = new WebSocketServer({ server: http, maxPayload: 1024 });
  server.on('connection', (socket, { headers }) => {
    const { expiresAt, ...given } = JSON.parse(String(headers['x-connect'])) as ConnectOptions;
    live.connect(socket, { ...given, ...(expiresAt && { expiresAt: new Date(expiresAt) }) });
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  await vi.waitUntil(() => live.parts.every(({ health }) => health.ready), { timeout: 20_000 });

  return {
    live,
    log,
    /** What is queued for the client that has most. */
    bufferedBytes: (): number => Math.max(0, ...[...server.clients].map(({ bufferedAmount }) => bufferedAmount)),
    /** How many connections the server has begun to close. */
    closing: (): number => [...server.clients].filter(({ readyState }) => readyState === WebSocket.CLOSING).length,
    watch: (connection: ConnectOptions, client: { autoPong?: boolean } = {}) =>
      watch(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`, connection, client),
    close: async () => {
      await live.close();
      server.close();
      http.close();
      await pool.end();
    },
  };
}

async function watch(url: string, connection: ConnectOptions, client: { autoPong?: boolean }) {
  const socket = new WebSocket(url, { ...client, headers: { 'x-connect': JSON.stringify(connection) } });
  const messages: Pushed[] = [];
  socket.on('message', (data: Buffer) => void messages.push(JSON.parse(data.toString('utf8')) as Pushed));
  const closed = once(socket, 'close').then(([code, reason]) => ({
    code: code as number,
    reason: String(reason),
  }));
  await once(socket, 'open');
  const events = (): Pushed[] => messages.filter(({ type }) => type.startsWith('instance.'));
  return {
    socket,
    messages,
    events,
    /** e.g. `instance.updated 3` */
    outline: (): string[] => messages.map(({ type, sequence }) => (sequence ? `${type} ${sequence}` : type)),
    closed,
    ready: () => vi.waitUntil(() => messages.some(({ type }) => type === 'ready'), { timeout: 20_000 }),
    until: (count: number) => vi.waitUntil(() => events().length >= count, { timeout: 30_000, interval: 5 }),
    lastSeen: (): string | undefined => events().at(-1)?.event_id,
    /** Reads nothing any more, as a client whose network stands still. */
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: async () => {
      socket.close();
      await closed;
    },
  };
}
