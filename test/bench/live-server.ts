import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { pino } from 'pino';
import { WebSocketServer, type WebSocket } from 'ws';
import { startLiveUpdates } from '../../backends/live/live-updates.ts';

/** To the benchmark, and from it. */
export type FromServer = { type: 'listening'; port: number } | { type: 'rss'; bytes: number } | { type: 'pushed' };
export interface StartFloor {
  type: 'floor';
  messages: number;
  perSecond: number;
}

/** The process whose memory is measured: it holds the sockets and nothing else. Started by live.ts. */
const { DATABASE_URL = '', AMQP_URL = '' } = process.env;
const tell = (message: FromServer): void => void process.send?.(message);

const pool = new pg.Pool({ connectionString: DATABASE_URL });
const live = startLiveUpdates({
  amqpUrl: AMQP_URL,
  pool,
  logger: pino({ level: 'warn' }),
  onFatal: (error) => {
    throw error;
  },
});
const http = createServer();
const server = new WebSocketServer({ server: http, maxPayload: 1024 });
const bare: WebSocket[] = [];
server.on('connection', (socket, { headers }) => {
  if (headers['x-user'] === undefined) bare.push(socket);
  else live.connect(socket, { userId: String(headers['x-user']) });
});
http.listen(0, '127.0.0.1');
await once(http, 'listening');
tell({ type: 'listening', port: (http.address() as AddressInfo).port });
setInterval(() => tell({ type: 'rss', bytes: process.memoryUsage().rss }), 1_000);

process.on('message', ({ messages, perSecond }: StartFloor) => {
  const began = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.min(((performance.now() - began) / 1000) * perSecond, messages);
    for (; sent < due; sent += 1) {
      const text = JSON.stringify({ sentAt: performance.timeOrigin + performance.now(), pad: 'x'.repeat(400) });
      bare[sent % bare.length]?.send(text);
    }
    if (sent < messages) return;
    clearInterval(timer);
    tell({ type: 'pushed' });
  }, 2);
});
process.on('disconnect', () => process.exit());
