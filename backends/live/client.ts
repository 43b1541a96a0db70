import pRetry from 'p-retry';
import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import type { InstancePush, Page } from './published-events.ts';
import { closeWith, toPushed, type Closing, type ControlMessage, type ResyncReason } from './messages.ts';
import type { Start } from './start-after.ts';

export interface ClientOptions {
  socket: WebSocket;
  /** Called once, and again while it fails. */
  findStart: () => Promise<Start>;
  /** The position up to which the feed has handed on all events. */
  feedPosition: () => number;
  readPage: (after: number) => Promise<Page>;
  logger: Logger;
  /** A client that has more than this to read is not live: it catches up from the log once it has read. */
  maxBufferedBytes: number;
  /** Time in which such a client has to read, before its connection is closed. */
  drainMs: number;
  expiresAt?: Date | undefined;
}

export interface Client {
  readonly isLive: boolean;
  /** Takes an event of the feed that concerns this client; `text` makes the message for it. */
  offer(position: number, text: () => string): void;
  /** Tells the client to read its instances again, because the feed has lost events. */
  miss(): void;
  /** Checks whether the client has answered the last ping, and sends another. Call it at the interval that an answer may take. */
  beat(): void;
  end(closing: Closing): void;
}

/** The longest timeout of setTimeout, 24 days. A client whose token is valid for longer has to reconnect then. */
const maxTimeoutMs = 2 ** 31 - 1;

/**
 * Serves one connection. The client is either live and gets the events of the feed as they arrive, or it catches up from the
 * event log. No event is stored per client, so a slow client costs only the buffer of its socket: at most `maxBufferedBytes`
 * and a page.
 */
export function createClient(options: ClientOptions): Client {
  const { socket, findStart, feedPosition, readPage, logger, maxBufferedBytes, drainMs, expiresAt } = options;
  const closed = new AbortController();
  let isLive = false;
  let hasAnswered = true;
  /** All events up to this position were sent. */
  let sent = 0;
  /** Position of the newest event that was offered during the catch-up. */
  let missed = 0;
  /** Whether events were lost during the catch-up. */
  let isIncomplete = false;

  const end = (closing: Closing): void => {
    isLive = false;
    closed.abort();
    closeWith(socket, closing);
  };
  const send = (text: string): void => socket.send(text, () => undefined);
  const tell = (message: ControlMessage): void => send(JSON.stringify(message));

  /** Tells the client that it lags, and resolves once it has read everything. */
  const drained = async (): Promise<void> => {
    const timer = setTimeout(() => end('tooSlow'), drainMs);
    const message: ControlMessage = { type: 'lagging' };
    await new Promise<void>((resolve, reject) => {
      socket.send(JSON.stringify(message), (error) => (error ? reject(error) : resolve()));
    }).finally(() => clearTimeout(timer));
    closed.signal.throwIfAborted();
  };

  const goLive = (): void => {
    isLive = true;
    tell({ type: 'ready' });
  };

  const untilDone = <Result>(work: () => Promise<Result>): Promise<Result> =>
    pRetry(work, {
      retries: Infinity,
      minTimeout: 200,
      maxTimeout: 5_000,
      randomize: true,
      signal: closed.signal,
      onFailedAttempt: ({ error }) => logger.warn({ error: error.message }, 'a client cannot catch up; trying again'),
    });

  /** Continues at the newest event. The old position may not exist any more, because the log may have been set back. */
  const beginAnew = (reason?: ResyncReason): void => {
    if (reason) tell({ type: 'resync', reason });
    sent = feedPosition();
    missed = 0;
    isIncomplete = false;
    goLive();
  };

  const catchUp = async (): Promise<void> => {
    for (let more = true; more || missed > sent;) {
      const page = await untilDone(() => readPage(sent));
      isIncomplete ||= !page.isComplete;
      if (isIncomplete) break;
      // The scope of a client contains only events of instances.
      for (const event of page.events) send(toPushed(event as InstancePush));
      sent = Math.max(sent, page.upTo);
      more = page.more;
      if (socket.bufferedAmount > maxBufferedBytes) await drained();
    }
    if (isIncomplete) beginAnew('removed_events');
    else goLive();
  };

  const begin = async (): Promise<void> => {
    const start = await untilDone(findStart);
    if (!('after' in start)) {
      beginAnew(start.resync);
      return;
    }
    sent = start.after;
    await catchUp();
  };

  const fallBehind = async (): Promise<void> => {
    isLive = false;
    await drained();
    await catchUp();
  };

  const giveUp = (error: unknown): void => {
    if (closed.signal.aborted || socket.readyState !== socket.OPEN) return;
    logger.error({ err: error }, 'a client could not be served');
    end('failed');
  };

  socket.on('pong', () => {
    hasAnswered = true;
  });
  // The socket closes by itself after a broken connection or a message that is too long.
  socket.on('error', () => undefined);
  const expiry =
    expiresAt && setTimeout(() => end('tokenExpired'), Math.min(expiresAt.getTime() - Date.now(), maxTimeoutMs));
  socket.once('close', () => {
    clearTimeout(expiry);
    isLive = false;
    closed.abort();
  });
  begin().catch(giveUp);

  return {
    get isLive() {
      return isLive;
    },
    offer: (position, text) => {
      if (!isLive) {
        missed = position;
      } else if (position > sent) {
        send(text());
        sent = position;
        if (socket.bufferedAmount > maxBufferedBytes) fallBehind().catch(giveUp);
      }
    },
    miss: () => {
      if (isLive) beginAnew('removed_events');
      else isIncomplete = true;
    },
    beat: () => {
      if (!hasAnswered) {
        socket.terminate();
        return;
      }
      hasAnswered = false;
      socket.ping(() => undefined);
    },
    end,
  };
}
