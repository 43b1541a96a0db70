import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';

export interface Push {
  type: string;
  event_id: string;
  position: number;
  sequence: number;
  /** When it arrived, in milliseconds. */
  at: number;
}

export interface UpdatesWatcher {
  /** Every event that was pushed, in the order of arrival. */
  readonly events: readonly Push[];
  /** Messages that say that events cannot be sent. */
  readonly resyncs: readonly unknown[];
  close(): Promise<void>;
}

/**
 * A client of live updates that connects again, after the last event that it saw, as the documentation tells clients to do. Resolves once it
 * is ready for the first time.
 */
export async function watchUpdates({ url, token }: { url: string; token: string }): Promise<UpdatesWatcher> {
  const events: Push[] = [];
  const resyncs: unknown[] = [];
  let isClosed = false;
  let socket: WebSocket | undefined;
  let onReady: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    onReady = resolve;
  });

  const connectOnce = async (): Promise<void> => {
    const last = events.at(-1)?.event_id;
    const query = last === undefined ? '' : `?after=${last}`;
    const current = new WebSocket(`${url.replace('http', 'ws')}/v1/updates${query}`, [
      'instances.v1',
      `bearer.${token}`,
    ]);
    socket = current;
    current.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString('utf8')) as Push;
      if (message.type === 'ready') onReady();
      else if (message.type === 'resync') resyncs.push(message);
      else if (message.type.startsWith('instance.')) events.push({ ...message, at: Date.now() });
    });
    current.on('error', () => undefined);
    await new Promise<void>((resolve) => {
      current.once('close', () => resolve());
    });
  };
  const connectAgain = async (): Promise<void> => {
    while (!isClosed) {
      await connectOnce();
      await delay(200);
    }
  };
  const over = connectAgain();
  await ready;

  return {
    events,
    resyncs,
    close: async () => {
      isClosed = true;
      socket?.close();
      await over;
    },
  };
}
