import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { connect, type Channel, type ChannelModel, type ConfirmChannel } from 'amqplib';
import { limitCalls, Unanswered } from './limit-calls.ts';
import { nodesOf } from './cluster-nodes.ts';
import { leaveOutUnreadableHeaders } from './readable-headers.ts';
import { explainUntrusted, UntrustedCertificate } from '../../certificates/untrusted-certificate.ts';
import { explainRefusal } from './refusal.ts';
import { watchResourceAlarm } from './resource-alarm.ts';
import { CannotWork, errorMessage, FatalError } from '../../supervision/errors.ts';
import { type Session } from '../../supervision/supervise.ts';
import { amqpLimits } from './time-limits.ts';
import { within } from '../../supervision/within.ts';

export interface AmqpOptions {
  /** May name several nodes of a cluster (`cluster-nodes.ts`), which are tried one after the other. */
  amqpUrl: string;
  /** Shown in RabbitMQ's management page. */
  connectionName: string;
  /** A server that has been silent for three heartbeats counts as gone. */
  heartbeatSeconds?: number;
  /**
   * The session that uses the connection. It is paused while a resource alarm of RabbitMQ blocks the connection. Once it is
   * aborted, calls on the connection fail after `amqpLimits.abandonMs`, during an alarm at once. A connection without a session
   * breaks when it is blocked.
   */
  session?: Pick<Session, 'signal' | 'paused' | 'resumed'>;
}

export interface AmqpConnection {
  /** Opens a confirm channel whose failure breaks the whole connection. A call that is not answered in time is a failure, too. */
  openChannel(): Promise<ConfirmChannel>;
  /** Opens a channel whose failure leaves the connection intact: calls on the channel reject. */
  openSeparateChannel: () => Promise<Channel>;
  /** Rejects when the connection, or a channel that is not separate, breaks. */
  broken: Promise<never>;
  /**
   * Finds the cause of a failed call: the reason why the connection or a channel broke, if one did, since later calls fail
   * only because of it; else what RabbitMQ refused. A FatalError or CannotWork is returned unchanged.
   */
  explain: (error: unknown) => unknown;
  /** Sentence about the resource alarm that blocks the connection; undefined without an alarm. */
  readonly alarm: string | undefined;
  /** Closes the connection. Waits at most `amqpLimits.goodbyeMs` for the server, and not at all during an alarm or after an unanswered call. */
  close(): Promise<void>;
}

/**
 * @throws Error that names the server and the setting to check, if it cannot be reached; FatalError if it refuses the login; of several
 *   nodes that differ in this, an AggregateError
 */
export async function openAmqp(options: AmqpOptions): Promise<AmqpConnection> {
  const { amqpUrl, session } = options;
  const { url, model } = await connectToAny(
    amqpUrl,
    async (node) => ({ url: node, model: await logIn(node, options) }),
    session?.signal,
  );
  leaveOutUnreadableHeaders(model);
  let failure: unknown;
  let reject: (error: unknown) => void = () => undefined;
  const broken = new Promise<never>((_, rejectBroken) => {
    reject = rejectBroken;
  });
  const fail = (error: unknown): void => {
    failure ??= explainRefusal(error, url.href);
    reject(failure);
  };
  broken.catch(() => undefined);
  model.on('error', fail);
  model.on('close', () => fail(new Error('RabbitMQ closed the connection')));
  const closed = new Promise<void>((resolve) => {
    model.once('close', () => resolve());
  });
  const channels: ConfirmChannel[] = [];

  // The client cannot end a connection whose server does not answer.
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

  const opened = async <Opened>(opening: Promise<Opened>): Promise<Opened> => {
    const { callMs } = amqpLimits;
    do {
      const channel = await within(callMs, opening);
      if (channel !== 'too late') return channel;
    } while (alarm.sentence !== undefined);
    throw new Unanswered(`RabbitMQ did not open a channel within ${callMs} ms`);
  };

  return {
    get alarm() {
      return alarm.sentence;
    },
    openChannel: async () => {
      const channel = limitCalls(await opened(model.createConfirmChannel()), fail);
      channels.push(channel);
      channel.on('error', fail);
      // A channel that closes without an error before is closed with its connection.
      channel.on('close', () => fail(new Error('RabbitMQ closed the connection')));
      return channel;
    },
    openSeparateChannel: async () => {
      const channel = await opened(model.createChannel());
      channel.on('error', () => undefined);
      return limitCalls(channel);
    },
    broken,
    explain: (error) => {
      if (error instanceof FatalError || error instanceof CannotWork) return error;
      return failure ?? explainRefusal(error, url.href);
    },
    close: async () => {
      // Channels are closed first, or the client sends the close of the connection before the last acknowledgements.
      const goodbye = async (): Promise<void> => {
        for (const channel of channels) await channel.close().catch(() => undefined);
        await model.close().catch(() => undefined);
      };
      const isMute = alarm.sentence !== undefined || failure instanceof Unanswered;
      if (!isMute) await within(amqpLimits.goodbyeMs, Promise.race([goodbye(), closed]));
      abandon();
    },
  };
}

/**
 * Connects to the first node of a cluster that can be used. A node that does not answer costs `amqpLimits.connectMs`.
 *
 * @throws the error of the only node; the first error where all are fatal, or all are a CannotWork; else an AggregateError of all
 */
export async function connectToAny<Connected>(
  amqpUrl: string,
  connectTo: (node: URL) => Promise<Connected>,
  signal?: AbortSignal,
): Promise<Connected> {
  const errors: unknown[] = [];
  for (const node of nodesOf(amqpUrl)) {
    signal?.throwIfAborted();
    try {
      return await connectTo(node);
    } catch (error) {
      errors.push(error);
    }
  }
  // A node that is not part of the cluster yet knows no account, so its refusal alone must not end the process.
  const isSame = [FatalError, CannotWork].some((Kind) => errors.every((error) => error instanceof Kind));
  throw errors.length === 1 || isSame ? errors[0] : new AggregateError(errors, errors.map(errorMessage).join(' '));
}

async function logIn(
  url: URL,
  { connectionName, heartbeatSeconds = amqpLimits.heartbeatSeconds }: AmqpOptions,
): Promise<ChannelModel> {
  if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', String(heartbeatSeconds));
  try {
    return await connectAmqp(url.href, {
      timeout: amqpLimits.connectMs,
      noDelay: true,
      clientProperties: { connection_name: connectionName },
    });
  } catch (error) {
    const place = { server: `RabbitMQ at ${url.host}`, setting: 'AMQP_URL', caSetting: 'AMQP_CA_FILE' };
    const untrusted = explainUntrusted(error, place);
    // This is not fatal, because certificates are renewed while services run.
    if (untrusted instanceof UntrustedCertificate) throw new CannotWork(untrusted.message, { cause: error });
    const message = `RabbitMQ at ${url.host} cannot be used: ${errorMessage(error)}.`;
    if (/ACCESS[_-]REFUSED/.test(message)) {
      throw new FatalError(`${message} Check user and password in AMQP_URL.`, { cause: error });
    }
    // This is not fatal, because a starting server refuses its virtual hosts, too. The client hides the server's reason.
    if (message.includes('ConnectionOpenOk')) {
      throw new CannotWork(
        `RabbitMQ at ${url.host} refuses the virtual host ${virtualHostOf(url)}. ` +
          `Create it and let the user in, or correct AMQP_URL.`,
        { cause: error },
      );
    }
    throw new Error(`${message} Start it, or correct AMQP_URL.`, { cause: error });
  }
}

/** Connects like amqplib's `connect`. If the URL names a `cacertfile`, only its certificate authorities are trusted. */
export function connectAmqp(amqpUrl: string, options: Parameters<typeof connect>[1] = {}): Promise<ChannelModel> {
  const url = new URL(amqpUrl);
  const caFile = caFileOf(url);
  url.searchParams.delete(caParameter);
  return connect(url.href, { ...options, ...(caFile !== undefined && { ca: readFileSync(caFile) }) });
}

/** https://www.rabbitmq.com/docs/uri-query-parameters */
const caParameter = 'cacertfile';

/** The file of certificate authorities that a URL names; undefined to trust those of Node.js. */
export function caFileOf({ searchParams }: URL): string | undefined {
  return searchParams.get(caParameter) ?? undefined;
}

/** The virtual host that the path of an AMQP URL names. */
export function virtualHostOf({ pathname }: URL): string {
  return decodeURIComponent(pathname.slice(1)) || '/';
}
