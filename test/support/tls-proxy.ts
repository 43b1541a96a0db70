import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ServerCertificate } from './certificates.ts';

interface TlsProxyOptions extends ServerCertificate {
  /** `host:port` of the server. */
  target: string;
  /** PostgreSQL's clients ask for TLS before they begin with it. */
  protocol?: 'tls' | 'postgres';
}

/** Speaks TLS in front of a server that does not. */
export async function openTlsProxy({ target, protocol = 'tls', cert, key }: TlsProxyOptions) {
  const { hostname, port } = new URL(`tcp://${target}`);
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    keep(client);
    const encrypt = (): void => {
      const encrypted = new TLSSocket(client, { isServer: true, cert, key, ALPNProtocols: ['h2', 'http/1.1'] });
      const upstream = connect(Number(port), hostname);
      keep(upstream);
      encrypted.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
      upstream.on('close', () => encrypted.destroy());
      encrypted.pipe(upstream).pipe(encrypted);
    };
    if (protocol === 'tls') encrypt();
    else {
      // https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
      client.once('data', () => {
        client.pause();
        encrypt();
        client.write('S');
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
