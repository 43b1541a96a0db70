import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

const names = [
  'postgres',
  'amqp',
  'management',
  'temporal',
  'temporalUi',
  'epmd',
  'distribution',
  'userBackend',
  'adminBackend',
] as const;

/** `epmd` is where RabbitMQ registers its name (Erlang's port mapper), `distribution` its own port for Erlang distribution. */
export type Ports = Record<(typeof names)[number], number>;

export const defaultPortBase = 27_430;

/** Lies below the range of outgoing connections on Linux, one of which could otherwise take a free port first. */
const freeRange = { first: 15_000, last: 32_000 };

/** Chooses consecutive ports on 127.0.0.1. Rejects when another program uses one of those from `portBase` on. */
export async function choosePorts(portBase: number | 'free'): Promise<Ports> {
  for (;;) {
    const base = portBase === 'free' ? randomInt(freeRange.first, freeRange.last - names.length) : portBase;
    const taken = await findTaken(base);
    if (taken.length === 0) return portsFrom(base);
    if (portBase === 'free') continue;
    throw new Error(
      `Port ${taken.join(', ')} of 127.0.0.1 is in use by another program. ` +
        `Stop it, or set STACK_PORT_BASE to the first of ${names.length} free ports (now ${base}).`,
    );
  }
}

export function portsFrom(base: number): Ports {
  return Object.fromEntries(names.map((name, index) => [name, base + index])) as Ports;
}

async function findTaken(base: number): Promise<number[]> {
  const wanted = Object.values(portsFrom(base));
  const results = await Promise.allSettled(wanted.map(listen));
  const held = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  await Promise.all(held.map(close));
  return wanted.filter((_, index) => results[index]?.status === 'rejected');
}

async function listen(port: number): Promise<Server> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
