import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** Stands before a server and reads what its clients send. */
export interface Tap<Seen> {
  /** `host:port` to be used in place of the server's. */
  address: string;
  /** What was sent so far, oldest first. */
  seen: readonly Seen[];
  close(): Promise<void>;
}

/** The text of each statement that a client has PostgreSQL execute. */
export function tapStatements(target: string): Promise<Tap<string>> {
  return openTap(target, (onStatement: (text: string) => void) => {
    const prepared = new Map<string, string>();
    let isStarted = false;
    // https://www.postgresql.org/docs/current/protocol-message-formats.html
    return (bytes) => {
      const start = isStarted ? 1 : 0;
      if (bytes.length < start + 4) return 0;
      const length = start + bytes.readInt32BE(start);
      if (bytes.length < length) return 0;
      const type = isStarted ? String.fromCharCode(bytes[0] ?? 0) : '';
      isStarted = true;
      const [first = '', second = ''] = bytes.toString('utf8', start + 4, length).split('\0', 2);
      if (type === 'Q') onStatement(first);
      if (type === 'P') prepared.set(first, second);
      if (type === 'B') onStatement(prepared.get(second) ?? '');
      return length;
    };
  });
}

/** Class and method of each call of AMQP that a client makes, e.g. `60.40` for `basic.publish`. */
export function tapMethods(target: string): Promise<Tap<string>> {
  const headerLength = 'AMQP0091'.length;
  const [frameOverhead, methodFrame] = [8, 1];
  return openTap(target, (onMethod: (name: string) => void) => {
    let isStarted = false;
    // https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, 4.2.3
    return (bytes) => {
      if (!isStarted) {
        isStarted = bytes.length >= headerLength;
        return isStarted ? headerLength : 0;
      }
      if (bytes.length < frameOverhead) return 0;
      const length = frameOverhead + bytes.readUInt32BE(3);
      if (bytes.length < length) return 0;
      if (bytes[0] === methodFrame) onMethod(`${bytes.readUInt16BE(7)}.${bytes.readUInt16BE(9)}`);
      return length;
    };
  });
}

/** @param createReader makes the reader of one connection, which returns the length of the first message, or 0 if it is not complete */
async function openTap<Seen>(
  target: string,
  createReader: (onSeen: (seen: Seen) => void) => (bytes: Buffer) => number,
): Promise<Tap<Seen>> {
  const { hostname, port } = new URL(`tcp://${target}`);
  const seen: Seen[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket
        .on('error', () => undefined)
        .on('close', () => {
          sockets.delete(socket);
          other.destroy();
        });
    }
    const read = createReader((each) => void seen.push(each));
    let rest = Buffer.alloc(0);
    client.on('data', (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      for (let length = read(rest); length > 0; length = read(rest)) rest = rest.subarray(length);
    });
    client.pipe(upstream);
    upstream.pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
