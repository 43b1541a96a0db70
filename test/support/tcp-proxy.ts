import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export interface TcpProxy {
  /** `host:port` to be used in place of the target's. */
  address: string;
  /** Breaks every connection and refuses new ones, until `restore`. Either may be repeated. */
  cut(): Promise<void>;
  restore(): Promise<void>;
  /** Breaks every connection, and leads new ones to another server, as an address does that moves with the primary. */
  moveTo(target: string): Promise<void>;
  /** Keeps every connection open and accepts new ones, but forwards nothing any more: the other side looks alive. */
  mute(): void;
  /** Keeps every connection open and forwards nothing until `release`, which then forwards all of it. */
  hold(): void;
  release(): void;
}

/** Stands between a client and the server at `target` (`host:port`), so that a test can take the server away. It listens at `ownHost`. */
export async function openTcpProxy(target: string, ownHost = '127.0.0.1'): Promise<TcpProxy> {
  let { hostname, port } = new URL(`tcp://${target}`);
  const sockets = new Set<Socket>();
  const relays = new Map<Socket, Socket>();
  let isMute = false;
  const relay = (from: Socket, to: Socket): void => {
    sockets.add(from);
    relays.set(from, to);
    from
      .on('error', () => undefined)
      .on('close', () => {
        sockets.delete(from);
        relays.delete(from);
        to.destroy();
      });
    from.pipe(to);
  };
  const listen = async (at: number): Promise<Server> => {
    const server = createServer((client) => {
      if (isMute) {
        sockets.add(client);
        client.on('error', () => undefined).on('close', () => sockets.delete(client));
        return;
      }
      const upstream = connect(Number(port), hostname);
      relay(client, upstream);
      relay(upstream, client);
    });
    server.listen(at, ownHost);
    await once(server, 'listening');
    return server;
  };

  let server = await listen(0);
  const own = (server.address() as AddressInfo).port;
  const cut = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const restore = async (): Promise<void> => {
    isMute = false;
    if (!server.listening) server = await listen(own);
  };
  return {
    address: `${ownHost}:${own}`,
    cut,
    restore,
    moveTo: async (other) => {
      await cut();
      ({ hostname, port } = new URL(`tcp://${other}`));
      await restore();
    },
    mute: () => {
      isMute = true;
      for (const socket of sockets) socket.unpipe().pause();
    },
    hold: () => {
      for (const from of relays.keys()) from.unpipe().pause();
    },
    release: () => {
      for (const [from, to] of relays) from.pipe(to);
    },
  };
}
