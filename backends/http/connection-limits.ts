import { createServer, STATUS_CODES, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ProblemError, problemMediaType } from './problem.ts';

/** How much of a server one connection may take. All times are in milliseconds. */
export interface ConnectionLimits {
  /** From the connection to the last header of its request. */
  headersMs: number;
  /** For a whole request with its body. */
  requestMs: number;
  /** For the rest of a body that nobody reads, because the request is answered already, e.g. with 401. */
  unreadBodyMs: number;
  /** Without the client taking a byte of its answer. */
  stalledMs: number;
  /** Between two requests of one connection. Proxies must give up earlier, most after 60 s. */
  idleMs: number;
  /** How late any of these may be noticed. */
  checkEveryMs: number;
  /** Connections at the same time. Further ones are closed at once. */
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

/** Responses that are not sent yet, by the connection. */
const inHand = new WeakMap<Socket, ServerResponse>();

/** Ends connections whose clients are slow: they cost little to open, and each costs the server memory and a descriptor. */
export function createLimitedServer(limits: ConnectionLimits, handle: RequestListener): Server {
  const server = createServer({ connectionsCheckingInterval: limits.checkEveryMs }, handle);
  server.headersTimeout = limits.headersMs;
  server.requestTimeout = limits.requestMs;
  server.keepAliveTimeout = limits.idleMs;
  server.maxConnections = limits.connections;
  // Node.js reports every silence here, also that of a client which waits for its answer.
  server.setTimeout(limits.stalledMs, (socket) => {
    if (!inHand.has(socket) || socket.writableLength > 0) socket.destroy();
  });
  server.on('request', (request, response) => {
    const { socket } = request;
    inHand.set(socket, response);
    response.once('finish', () => {
      // Closing at once would take the answer from a client that still sends.
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

/** Answers what did not become a request with a problem (RFC 9457), and ends its connection. */
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
