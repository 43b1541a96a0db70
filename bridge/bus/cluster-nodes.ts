import { randomInt } from 'node:crypto';

/** `configuration/several-hosts.ts` puts the second and later nodes of a cluster here. */
const parameter = 'hosts';

/** A URL for each node that an AMQP URL names, in an order that begins anywhere, so that connections are spread over the nodes. */
export function nodesOf(amqpUrl: string): URL[] {
  const first = new URL(amqpUrl);
  const others = first.searchParams.get(parameter)?.split(',') ?? [];
  first.searchParams.delete(parameter);
  const nodes = [first, ...others.map((host) => Object.assign(new URL(first), { port: '', host }))];
  const start = randomInt(nodes.length);
  return [...nodes.slice(start), ...nodes.slice(0, start)];
}
