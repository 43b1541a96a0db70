import { connect } from 'amqplib';
import { exchangeNames } from '../../contracts/names.ts';

/** What an `instance.updated` says. */
export interface StatusEvent {
  instanceId: string;
  status: string;
  /** Whether the status speaks of the newest generation. */
  isCurrent: boolean;
}

export interface StatusWatch {
  /** Resolves with the next event of the instance that matches. Has to be called before its cause. */
  next: (instanceId: string, matches: (event: StatusEvent) => boolean) => Promise<StatusEvent>;
  /** Called with every event, until the returned function is called. */
  onEach: (listener: (event: StatusEvent) => void) => () => void;
  close: () => Promise<void>;
}

const limitMs = 300_000;

/** Reads every `instance.updated` as a foreign client does, and with as little CPU time as possible. */
export async function watchStatuses(amqpUrl: string): Promise<StatusWatch> {
  const connection = await connect(amqpUrl);
  const channel = await connection.createChannel();
  await channel.assertExchange(exchangeNames.events, 'topic', { durable: true });
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, exchangeNames.events, 'instance.updated');
  const waiting = new Map<string, (event: StatusEvent) => void>();
  const listeners = new Set<(event: StatusEvent) => void>();
  await channel.consume(
    queue,
    (message) => {
      if (!message) return;
      const { status } = JSON.parse(message.content.toString('utf8')) as { status: string };
      const headers = message.properties.headers ?? {};
      const event: StatusEvent = {
        instanceId: String(headers['cloudEvents:subject']),
        status,
        isCurrent: headers['observed_generation'] === headers['generation'],
      };
      waiting.get(event.instanceId)?.(event);
      for (const listener of listeners) listener(event);
    },
    { noAck: true },
  );
  return {
    next: async (instanceId, matches) =>
      new Promise((resolve, reject) => {
        let last = 'nothing';
        const timer = setTimeout(() => {
          waiting.delete(instanceId);
          reject(new Error(`The awaited status of ${instanceId} did not come; the last event said ${last}.`));
        }, limitMs).unref();
        waiting.set(instanceId, (event) => {
          last = event.status;
          if (!matches(event)) return;
          clearTimeout(timer);
          waiting.delete(instanceId);
          resolve(event);
        });
      }),
    onEach: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => connection.close(),
  };
}
