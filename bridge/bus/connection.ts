import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { connect, type Channel, type ChannelModel, type ConfirmChannel } from 'amqplib';
import { leaveOutUnreadableHeaders } from './readable-headers.ts';
import { explainUntrusted, UntrustedCertificate } from '../../certificates/untrusted-certificate.ts';
import { explainRefusal } from './refusal.ts';
import { watchResourceAlarm } from './resource-alarm.ts';
import { CannotWork, errorMessage, FatalError } from '../../supervision/errors.ts';
import { type Session } from '../../supervision/supervise.ts';
import { amqpLimits } from './time-limits.ts';
import { within } from '../../supervision/within.ts';

export interface AmqpOptions {
  amqpUrl: string;
  /** Shown in RabbitMQ's management page. */
  connectionName: string;
  /** A server that says nothing for three times as long is given up. */
  heartbeatSeconds?: number;
  connectTimeoutMs?: number;
  /** What messages tell the reader to correct. */
  setting?: string;
  /**
   * The session that the connection is for. While an alarm of RabbitMQ blocks the connection, the session is paused. Once the session is
   * to end, no call on the connection waits much longer for an answer, and none at all during an alarm. A connection without a
   * session breaks when it is blocked.
   */
  session?: Pick<Session, 'signal' | 'paused' | 'resumed'>;
}

export interface AmqpConnection {
  /** A confirm channel whose failure fails the connection: both are then made anew. */
  openChannel(): Promise<ConfirmChannel>;
  /** A channel whose failure is its user's alone: every call on it then rejects. */
  openSeparateChannel: () => Promise<Channel>;
  /** Rejects when the connection, or a channel that is not separate, breaks. */
  broken: Promise<never>;
  /**
   * What was wrong when a call failed. An error that says it already stays as it is. Where the connection or its channel
   * broke, it is the reason for that, since later calls fail only because of it; else what RabbitMQ refused.
   */
  explain: (error: unknown) => unknown;
  /** Why RabbitMQ takes no messages at the moment; undefined when it takes them. */
  readonly alarm: string | undefined;
  /** Says goodbye; a server that does not answer is left without, after four seconds, and during an alarm at once. */
  close(): Promise<void>;
}

/** @throws Error naming the server and what to check, when it cannot be reached; FatalError when it refuses the login */
export async function openAmqp(options: AmqpOptions): Promise<AmqpConnection> {
  const { amqpUrl, connectionName, setting = 'AMQP_URL', session } = options;
  const { heartbeatSeconds = amqpLimits.heartbeatSeconds, connectTimeoutMs = amqpLimits.connectMs } = options;
  const url = new URL(amqpUrl);
  if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', String(heartbeatSeconds));
  let model: ChannelModel;
  try {
    model = await connectAmqp(url.href, {
      timeout: connectTimeoutMs,
      noDelay: true,
      clientProperties: { connection_name: connectionName },
    });
  } catch (error) {
    const place = { server: `RabbitMQ at ${url.host}`, setting, caSetting: 'AMQP_CA_FILE' };
    const untrusted = explainUntrusted(error, place);
    // Not fatal: certificates are renewed while services run.
    if (untrusted instanceof UntrustedCertificate) throw new CannotWork(untrusted.message, { cause: error });
    const message = `RabbitMQ at ${url.host} cannot be used: ${errorMessage(error)}.`;
    if (/ACCESS[_-]REFUSED/.test(message)) {
      throw new FatalError(`${message} Check user and password in ${setting}.`, { cause: error });
    }
    // Not fatal: a server that is starting refuses its virtual hosts, too. The client does not tell its reason.
    if (message.includes('ConnectionOpenOk')) {
      throw new CannotWork(
        `RabbitMQ at ${url.host} refuses the virtual host ${virtualHostOf(url)}. ` +
          `Create it and let the user in, or correct ${setting}.`,
        { cause: error },
      );
    }
    throw new Error(`${message} Start it, or correct ${setting}.`, { cause: error });
  }

  leaveOutUnreadableHeaders(model);
  let failure: unknown;
  let reject: (error: unknown) => void = () => undefined;
  const broken = new Promise<never>((_, rejectBroken) => {
    reject = rejectBroken;
  });
  const fail = (error: unknown): void => {
    failure ??= explainRefusal(error, { amqpUrl, setting });
    reject(failure);
  };
  broken.catch(() => undefined);
  model.on('error', fail);
  model.on('close', () => fail(new Error('RabbitMQ closed the connection')));
  const closed = new Promise<void>((resolve) => {
    model.once('close', () => resolve());
  });
  const channels: ConfirmChannel[] = [];

  // The client has no way to end a connection whose server does not answer.
  const { stream } = model.connection as unknown as { stream: Duplex };
  const abandon = (): void => void stream.destroy(new Error('RabbitMQ did not answer when the connection was to end'));
  const alarm = watchResourceAlarm(model, {
    host: url.host,
    onBlocked: (sentence) => {
      if (!session) fail(new CannotWork(sentence));
      else if (session.signal.aborted) abandon();
      else session.paused(sentence);
    },
    onUnblocked: () => session?.resumed(),
  });
  const onAbort = async (): Promise<void> => {
    if (alarm.sentence === undefined) await within(amqpLimits.abandonMs, closed);
    abandon();
  };
  const whenAborted = (): void => void onAbort();
  if (session?.signal.aborted) whenAborted();
  session?.signal.addEventListener('abort', whenAborted, { once: true });
  void closed.then(() => session?.signal.removeEventListener('abort', whenAborted));

  return {
    get alarm() {
      return alarm.sentence;
    },
    openChannel: async () => {
      const channel = await model.createConfirmChannel();
      channels.push(channel);
      channel.on('error', fail);
      // A channel that RabbitMQ closes alone has an error first: this one goes with its connection.
      channel.on('close', () => fail(new Error('RabbitMQ closed the connection')));
      return channel;
    },
    openSeparateChannel: async () => {
      const channel = await model.createChannel();
      channel.on('error', () => undefined);
      return channel;
    },
    broken,
    explain: (error) => {
      if (error instanceof FatalError || error instanceof CannotWork) return error;
      return failure ?? explainRefusal(error, { amqpUrl, setting });
    },
    close: async () => {
      // Channels first: the client lets the connection's goodbye overtake the last acknowledgements of a channel.
      const goodbye = async (): Promise<void> => {
        for (const channel of channels) await channel.close().catch(() => undefined);
        await model.close().catch(() => undefined);
      };
      // A server that is gone by then does not answer it.
      if (alarm.sentence === undefined) await within(amqpLimits.goodbyeMs, Promise.race([goodbye(), closed]));
      abandon();
    },
  };
}

/** `connect` of the client, which trusts the CAs of the file that the URL names as its `cacertfile` alone. */
export function connectAmqp(amqpUrl: string, options: Parameters<typeof connect>[1] = {}): Promise<ChannelModel> {
  const url = new URL(amqpUrl);
  const caFile = caFileOf(url);
  url.searchParams.delete(caParameter);
  return connect(url.href, { ...options, ...(caFile !== undefined && { ca: readFileSync(caFile) }) });
}

/** https://www.rabbitmq.com/docs/uri-query-parameters */
const caParameter = 'cacertfile';

/** File of the CAs that may have signed the server's certificate; undefined for those of Node.js. */
export function caFileOf({ searchParams }: URL): string | undefined {
  return searchParams.get(caParameter) ?? undefined;
}

/** The path of an AMQP URL, as the client reads it. */
export function virtualHostOf({ pathname }: URL): string {
  return decodeURIComponent(pathname.slice(1)) || '/';
}
