import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';

/** To the benchmark, and from it. */
export type FromFloor = { type: 'listening'; port: number } | { type: 'pushed' };
export interface StartFloor {
  messages: number;
  perSecond: number;
}

/** What nothing could be faster than: a process that sends messages of that size to sockets in turn. Started by live.ts. */
const tell = (message: FromFloor): void => void process.send?.(message);

const http = createServer();
const sockets: WebSocket[] = [];
new WebSocketServer({ server: http, maxPayload: 1024 }).on('connection', (socket) => sockets.push(socket));
http.listen(0, '127.0.0.1');
await once(http, 'listening');
tell({ type: 'listening', port: (http.address() as AddressInfo).port });

process.on('message', ({ messages, perSecond }: StartFloor) => {
  const began = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.min(((performance.now() - began) / 1000) * perSecond, messages);
    for (; sent < due; sent += 1) {
      const text = JSON.stringify({ sentAt: performance.timeOrigin + performance.now(), pad: 'x'.repeat(400) });
      sockets[sent % sockets.length]?.send(text);
    }
    if (sent < messages) return;
    clearInterval(timer);
    tell({ type: 'pushed' });
  }, 2);
});
process.on('disconnect', () => process.exit());
