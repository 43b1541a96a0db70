import { once } from 'node:events';
import pMap from 'p-map';
import { WebSocket } from 'ws';
import { signToken } from '../support/tokens.ts';

export interface LiveClient {
  /** In the order of their arrival, each with the time of it. */
  arrivals: { id: string; at: number }[];
  close(): void;
}

/** One connection for each user; resolves once all are live. */
export async function openLiveClients(port: number, userIds: readonly string[]): Promise<LiveClient[]> {
  return pMap(
    userIds,
    async (userId) => {
      const token = await signToken({ userId });
      const address = `ws://127.0.0.1:${port}/v1/updates`;
      const socket = new WebSocket(address, ['instances.v1', `bearer.${token}`]);
      const arrivals: LiveClient['arrivals'] = [];
      await new Promise<void>((resolve, reject) => {
        socket.on('error', reject);
        socket.on('message', (data: Buffer) => {
          const at = performance.now();
          const { type, event_id: id } = JSON.parse(data.toString('utf8')) as { type: string; event_id: string };
          if (type === 'ready') resolve();
          else arrivals.push({ id, at });
        });
      });
      return { arrivals, close: () => socket.terminate() };
    },
    { concurrency: 50 },
  );
}

/** Connections to which the server pushes as they are; `delays` fills with the milliseconds from its send to here. */
export async function openBareClients(port: number, count: number): Promise<{ delays: number[]; close(): void }> {
  const delays: number[] = [];
  const sockets = await pMap(
    Array.from({ length: count }),
    async () => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`);
      socket.on('message', (data: Buffer) => {
        const at = performance.timeOrigin + performance.now();
        delays.push(at - (JSON.parse(data.toString('utf8')) as { sentAt: number }).sentAt);
      });
      await once(socket, 'open');
      return socket;
    },
    { concurrency: 50 },
  );
  return {
    delays,
    close: () => {
      for (const socket of sockets) socket.terminate();
    },
  };
}
