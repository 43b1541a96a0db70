import { EventEmitter, once } from 'node:events';
import { connect, type ConfirmChannel, type ConsumeMessage, type Options } from 'amqplib';
import { exchangeNames } from '../../contracts/names.ts';

/** A message as any client of the bus sees it: nothing of the project's own code takes part in reading it. */
export interface Seen {
  type: string;
  id: string;
  subject: string;
  body: Record<string, unknown>;
  headers: Record<string, unknown>;
  at: number;
  /** As RabbitMQ delivered it. */
  message: ConsumeMessage;
}

export interface Bus {
  /** Everything that came over `events.topic`, in order of arrival. */
  seen: Seen[];
  of(subject: string): Seen[];
  /** Waits for a message about the subject of that type and, where given, status. */
  until(subject: string, type: string, status?: string): Promise<Seen>;
  channel: ConfirmChannel;
  /** Publishes as a foreign client and waits for the confirm. */
  publish(exchange: string, routingKey: string, content: string, options?: Options.Publish): Promise<void>;
  close(): Promise<void>;
}

const untilTimeoutMs = 60_000;

export async function openBus(amqpUrl: string): Promise<Bus> {
  const connection = await connect(amqpUrl);
  connection.on('error', () => undefined);
  const channel = await connection.createConfirmChannel();
  await channel.assertExchange(exchangeNames.events, 'topic', { durable: true });
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, exchangeNames.events, '#');
  const seen: Seen[] = [];
  const arrivals = new EventEmitter().setMaxListeners(0);
  await channel.consume(
    queue,
    (message) => {
      if (!message) return;
      seen.push(read(message));
      arrivals.emit('message');
    },
    { noAck: true },
  );
  const of = (subject: string): Seen[] => seen.filter((message) => message.subject === subject);
  return {
    seen,
    of,
    until: async (subject, type, status) => {
      const timeout = AbortSignal.timeout(untilTimeoutMs);
      for (;;) {
        const found = of(subject).find(
          (message) => message.type === type && (status === undefined || message.body['status'] === status),
        );
        if (found) return found;
        await once(arrivals, 'message', { signal: timeout }).catch(() => {
          throw new Error(`no ${type} ${status ?? ''} of ${subject}; seen: ${outline(of(subject))}`);
        });
      }
    },
    channel,
    publish: (exchange, routingKey, content, options) =>
      new Promise((resolve, reject) => {
        channel.publish(exchange, routingKey, Buffer.from(content), options, (error: Error | null) =>
          error ? reject(error) : resolve(),
        );
      }),
    // A server that was killed has closed it already.
    close: () => connection.close().catch(() => undefined),
  };
}

/** e.g. `instance.created pending, instance.updated running` */
export function outline(messages: Seen[]): string {
  return messages.map(({ type, body }) => [type, body['status']].filter(Boolean).join(' ')).join(', ');
}

function read(message: ConsumeMessage): Seen {
  const { content, properties } = message;
  const headers = properties.headers ?? {};
  return {
    type: String(properties.type),
    id: String(properties.messageId),
    subject: String(headers['cloudEvents:subject']),
    body: parse(content.toString('utf8')),
    headers,
    at: Date.now(),
    message,
  };
}

/** Tests publish broken bodies too: those read as an empty one. */
function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
