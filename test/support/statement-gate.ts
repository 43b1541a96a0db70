import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Moment } from './grpc-gate.ts';

export interface StatementGate {
  /** `host:port` to be used in place of PostgreSQL's. */
  address: string;
  /** Calls `act` once, when a statement that contains the text comes: `before` PostgreSQL sees it, or `after` it has answered and before the client knows. */
  once(text: string, moment: Moment, act: () => boolean): void;
  close(): Promise<void>;
}

/** Stands before PostgreSQL at `target` (`host:port`), so that a test can do something at one exact step of a client. */
export async function openStatementGate(target: string): Promise<StatementGate> {
  const { hostname, port } = new URL(`tcp://${target}`);
  let trap: { text: string; moment: Moment; act: () => boolean } | undefined;
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
    let answering: (() => boolean) | undefined;
    client.on('data', (bytes) => {
      if (trap && bytes.includes(trap.text)) {
        const { moment, act } = trap;
        trap = undefined;
        if (moment === 'after') answering = act;
        else if (act()) return;
      }
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      const act = answering;
      answering = undefined;
      if (!act?.()) client.write(bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    once: (text, moment, act) => (trap = { text, moment, act }),
    close: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
