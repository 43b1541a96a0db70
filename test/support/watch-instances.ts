import { once } from 'node:events';
import { expect, vi } from 'vitest';
import { WebSocket } from 'ws';

export interface Pushed {
  type: string;
  event_id?: string;
  instance?: { instance_id: string; status?: string };
}

/** Opens live updates of user_backend as a page does, and resolves once they are live. */
export async function watchInstances(url: string, token: string) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/updates`, ['instances.v1', `bearer.${token}`]);
  const messages: Pushed[] = [];
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString('utf8')) as Pushed));
  await once(socket, 'open');
  const until = (fits: (message: Pushed) => boolean): Promise<Pushed> =>
    vi.waitFor(
      () => {
        const found = messages.find(fits);
        expect(found).toBeDefined();
        return found as Pushed;
      },
      { timeout: 60_000 },
    );
  await until(({ type }) => type === 'ready');
  return { until, close: () => socket.terminate() };
}
