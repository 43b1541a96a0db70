import { WebSocket } from 'ws';
import { z } from 'zod';

const message = z.object({
  type: z.string(),
  event_id: z.string().optional(),
  instance: z.object({ instance_id: z.string(), status: z.string().optional() }).optional(),
});

export type Follower = Awaited<ReturnType<typeof follow>>;

/** A client of live updates as docs/live-updates.md describes it: it connects again whenever it is cut off, and goes on where it was. */
export async function follow(base: string, token: string) {
  const seen: string[] = [];
  let connections = 0;
  let last: string | undefined;
  let isEnding = false;
  let socket: WebSocket;

  function connect(ready: () => void): void {
    const after = last === undefined ? '' : `?after=${last}`;
    socket = new WebSocket(`${base}/v1/updates${after}`, ['instances.v1', `bearer.${token}`]);
    socket.on('open', () => (connections += 1));
    socket.on('message', (data: Buffer) => {
      const { type, event_id: id, instance } = message.parse(JSON.parse(data.toString('utf8')));
      if (type === 'ready') ready();
      if (instance === undefined) return;
      last = id;
      seen.push(`${instance.instance_id} ${instance.status ?? 'deleted'}`);
    });
    // 'close' follows.
    socket.on('error', () => {});
    socket.on('close', () => {
      if (!isEnding) setTimeout(connect, 200, ready);
    });
  }

  await new Promise<void>(connect);
  return {
    /** How often it has connected. */
    connections: () => connections,
    isOpen: () => socket.readyState === WebSocket.OPEN,
    /** Statuses of the instance in the order in which they were pushed; a deletion is `deleted`. */
    statusesOf: (id: string) => seen.filter((line) => line.startsWith(id)).map((line) => line.slice(id.length + 1)),
    end: () => {
      isEnding = true;
      socket.close();
    },
  };
}
