import { createServer, STATUS_CODES, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ProblemError, problemMediaType } from './problem.ts';

/** Limits of one connection to a server. */
export interface ConnectionLimits {
  /** From opening the connection to the last header of its request. */
  headersMs: number;
  /** For a whole request with its body. */
  requestMs: number;
  /** For the rest of a body that is not read, because the request was already answered, e.g. with 401. */
  unreadBodyMs: number;
  /** During which the client reads no byte of its answer. */
  stalledMs: number;
  /** Between two requests of one connection. Proxies have to close it earlier; most do after 60 s. */
  idleMs: number;
  /** Interval of the checks, and so the longest delay until an exceeded limit is noticed. */
  checkEveryMs: number;
  /** Open connections. Further ones are closed at once. */
  connections: number;
}

export const connectionLimits: ConnectionLimits = {
  headersMs: 10_000,
  requestMs: 60_000,
  unreadBodyMs: 2_000,
  stalledMs: 30_000,
  idleMs: 72_000,
  checkEveryMs: 1_000,
  connections: 10_000,
};

/** The response that each connection is waiting for. */
const inHand = new WeakMap<Socket, ServerResponse>();

/** Closes connections of slow clients. They are cheap to open, but each takes memory and a descriptor of the server. */
export function createLimitedServer(limits: ConnectionLimits, handle: RequestListener): Server {
  const server = createServer({ connectionsCheckingInterval: limits.checkEveryMs }, handle);
  server.headersTimeout = limits.headersMs;
  server.requestTimeout = limits.requestMs;
  server.keepAliveTimeout = limits.idleMs;
  server.maxConnections = limits.connections;
  // Node.js calls this after any silence, including that of a client which waits for its answer.
  server.setTimeout(limits.stalledMs, (socket) => {
    if (!inHand.has(socket) || socket.writableLength > 0) socket.destroy();
  });
  server.on('request', (request, response) => {
    const { socket } = request;
    inHand.set(socket, response);
    response.once('finish', () => {
      // A client that is still sending would lose its answer if the connection closed at once.
      if (!request.complete) setTimeout(() => request.complete || socket.destroy(), limits.unreadBodyMs).unref();
    });
    response.once('close', () => {
      if (inHand.get(socket) === response) inHand.delete(socket);
    });
  });
  return server;
}

const statuses: Readonly<Record<string, number>> = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 };
const faults: Readonly<Record<number, readonly [code: string, detail: string]>> = {
  408: ['request_timeout', 'The request took too long to arrive.'],
  431: ['headers_too_large', 'The header fields of the request are too large.'],
};

/** Answers bytes that are no valid HTTP request with a problem (RFC 9457), and closes the connection. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || inHand.get(socket)?.headersSent) {
    socket.destroy();
    return;
  }
  const status = statuses[error.code ?? ''] ?? 400;
  const [code, detail] = faults[status] ?? ['bad_request', 'The request is not valid HTTP.'];
  const body = JSON.stringify(new ProblemError(status, code, detail).toBody());
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `content-type: ${problemMediaType}; charset=utf-8`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
