import pRetry from 'p-retry';
import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import type { InstancePush, Page } from './published-events.ts';
import { closeWith, toPushed, type Closing, type ControlMessage, type ResyncReason } from './messages.ts';
import type { Start } from './start-after.ts';

export interface ClientOptions {
  socket: WebSocket;
  /** Asked once, and again while it fails. */
  findStart: () => Promise<Start>;
  /** Up to where the feed has handed on everything. */
  feedPosition: () => number;
  readPage: (after: number) => Promise<Page>;
  logger: Logger;
  /** More than that is not queued for a client that does not read. */
  maxBufferedBytes: number;
  /** Time to read what is queued, before the connection is closed. */
  drainMs: number;
  expiresAt?: Date | undefined;
}

export interface Client {
  readonly isLive: boolean;
  /** An event of the feed that concerns it; `text` makes what is sent of it. */
  offer(position: number, text: () => string): void;
  /** Tells it to read its instances anew: events that the feed should have brought are lost. */
  miss(): void;
  /** Finds out whether it is still there; to be called as often as an answer may take. */
  beat(): void;
  end(closing: Closing): void;
}

/** setTimeout's longest, 24 days: whoever's token is good for longer comes back. */
const maxTimeoutMs = 2 ** 31 - 1;

/**
 * One connection. It is either live, and sent the events of the feed as they come, or it catches up from the log; in neither
 * case is an event kept for it here. So a slow one costs what its socket has buffered, at most `maxBufferedBytes` and a page.
 */
export function createClient(options: ClientOptions): Client {
  const { socket, findStart, feedPosition, readPage, logger, maxBufferedBytes, drainMs, expiresAt } = options;
  const closed = new AbortController();
  let isLive = false;
  let hasAnswered = true;
  /** Everything up to here was sent. */
  let sent = 0;
  /** The newest that was offered while it caught up. */
  let missed = 0;
  /** Whether events were lost while it caught up. */
  let isIncomplete = false;

  const end = (closing: Closing): void => {
    isLive = false;
    closed.abort();
    closeWith(socket, closing);
  };
  const send = (text: string): void => socket.send(text, () => undefined);
  const tell = (message: ControlMessage): void => send(JSON.stringify(message));

  /** Tells the client that it lags, and resolves once it has read so far. */
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

  /** What the client knows is no use any more, and neither is where it stood: the log may have been set back. */
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
      // Of the scope of a client there are no agents.
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
  // A broken connection, or a message that is too long; the close follows.
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
