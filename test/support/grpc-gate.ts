import { once } from 'node:events';
import {
  connect,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';

/** A status of gRPC: its code, and what it says. */
export interface Refusal {
  code: number;
  details: string;
}

export type Moment = 'before' | 'after';

export interface GrpcGate {
  /** `host:port` to be used in place of the target's. */
  address: string;
  /** Answers calls of these methods with that status, until `open`, or so many times. All other calls go through. */
  refuse(methods: readonly string[], refusal: Refusal, times?: number): void;
  open(): void;
  /**
   * Calls `act` once, at the next call of the method whose request contains the text: `before` the server sees it, or `after` it has answered
   * and before the client knows.
   */
  once(method: string, moment: Moment, act: () => boolean, text?: string): void;
  close(): Promise<void>;
}

/** Stands before the gRPC server at `target` (`host:port`) and decides who may call what, as an authorizing proxy does. */
export async function openGrpcGate(target: string): Promise<GrpcGate> {
  let refused: { methods: readonly string[]; refusal: Refusal; left: number } | undefined;
  let trap: { method: string; text: string; moment: Moment; act: () => boolean } | undefined;
  /** What the trap does, if it is set for this call at this moment. It is set for one call alone. */
  const spring = (method: string, request: Buffer, moment: Moment): boolean => {
    if (trap?.method !== method || trap.moment !== moment || !messageOf(request).includes(trap.text)) return false;
    const { act } = trap;
    trap = undefined;
    return act();
  };
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer();

  server.on('session', (session) => {
    sessions.add(session);
    const upstream = connect(`http://${target}`);
    const endBoth = (): void => {
      sessions.delete(session);
      upstream.destroy();
      session.destroy();
    };
    for (const side of [session, upstream]) side.on('error', () => undefined).on('close', endBoth);
    const pass = async (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> => {
      stream.on('error', () => undefined);
      const method = String(headers[':path']).split('/').at(-1) ?? '';
      if (refused?.methods.includes(method) && refused.left > 0) {
        refused.left -= 1;
        const { code, details } = refused.refusal;
        const status = { 'grpc-status': String(code), 'grpc-message': encodeURIComponent(details) };
        stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...status }, { endStream: true });
        return;
      }
      // All calls of workers have one message.
      const request = await buffer(stream).catch(() => undefined);
      if (!request || spring(method, request, 'before')) return;
      const { ':authority': _, ...rest } = headers;
      const call = upstream.request(rest);
      call.on('error', () => stream.destroy());
      stream.on('close', () => call.destroy());
      let trailers = {};
      call.on('trailers', (received) => (trailers = received));
      call.on('response', ({ ':status': status, ...answer }, flags) => {
        if (stream.destroyed || spring(method, request, 'after')) return;
        // Without a body, the answer is all trailers.
        const isAll = (flags & 1) === 1;
        stream.respond({ ':status': status, ...answer }, { endStream: isAll, waitForTrailers: !isAll });
      });
      stream.on('wantTrailers', () => stream.sendTrailers(trailers));
      call.end(request);
      call.pipe(stream);
    };
    session.on('stream', (stream, headers) => void pass(stream, headers));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    refuse: (methods, refusal, times = Infinity) => (refused = { methods, refusal, left: times }),
    open: () => (refused = undefined),
    once: (method, moment, act, text = '') => (trap = { method, text, moment, act }),
    close: async () => {
      server.close();
      for (const session of sessions) session.destroy();
    },
  };
}

/** The message of a request, before which gRPC writes whether it is compressed, and its length. */
function messageOf(request: Buffer): Buffer {
  const message = request.subarray(5);
  return request[0] === 1 ? gunzipSync(message) : message;
}
