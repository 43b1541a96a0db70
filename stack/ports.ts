import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

export interface Ports {
  postgres: number;
  amqp: number;
  management: number;
  temporal: number;
  temporalUi: number;
  epmd: number;
  distribution: number;
}

const count = 7;

/** Seven ports on 127.0.0.1: from the base on, or any that are `free`. Rejects when another program has one of them. */
export async function choosePorts(portBase: number | 'free'): Promise<Ports> {
  const wanted = Array.from({ length: count }, (_, index) => (portBase === 'free' ? 0 : portBase + index));
  // All are held at the same time, so that none is given twice.
  const results = await Promise.allSettled(wanted.map(listen));
  const servers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const ports = servers.map(portOf);
  await Promise.all(servers.map(close));
  const taken = wanted.filter((_, index) => results[index]?.status === 'rejected');
  if (taken.length > 0) {
    throw new Error(
      `Port ${taken.join(', ')} of 127.0.0.1 is in use by another program. ` +
        `Stop it, or set STACK_PORT_BASE to the first of ${count} free ports (now ${portBase}).`,
    );
  }
  const [postgres = 0, amqp = 0, management = 0, temporal = 0, temporalUi = 0, epmd = 0, distribution = 0] = ports;
  return { postgres, amqp, management, temporal, temporalUi, epmd, distribution };
}

async function listen(port: number): Promise<Server> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
