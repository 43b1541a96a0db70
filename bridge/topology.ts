import type { Channel } from 'amqplib';
import { topology } from '../contracts/topology.ts';
import { describe, FatalError } from './supervise.ts';

export interface Binding {
  source: string;
  destination: string;
  destinationType: 'queue' | 'exchange';
  routingKey: string;
  arguments: Readonly<Record<string, unknown>>;
}

export type TopologyObject =
  { type: 'exchange'; name: string } | { type: 'queue'; name: string } | ({ type: 'binding' } & Binding);

interface Declaration {
  object: TopologyObject;
  /** May be repeated. @throws FatalError when something of that name exists with other properties */
  declare: (channel: Channel) => Promise<void>;
}

/** Every exchange, queue and binding of the catalog, in an order in which they can be declared. */
export const declarations: readonly Declaration[] = [
  ...topology.exchanges.map(({ name, type }) =>
    declaration({ type: 'exchange', name }, (channel) => channel.assertExchange(name, type, { durable: true })),
  ),
  ...topology.queues.flatMap(({ name, exchange, routingKeys, arguments: given }) => [
    declaration({ type: 'queue', name }, (channel) =>
      channel.assertQueue(name, { durable: true, arguments: { ...given } }),
    ),
    ...routingKeys.map((key) =>
      declaration(bindingOf(name, exchange, key), (channel) => channel.bindQueue(name, exchange, key)),
    ),
  ]),
];

/**
 * Declares every exchange, queue and binding of the catalog. A confirmed publish is not enough: as long as any queue is
 * bound, a missing one loses its copy in silence.
 *
 * @throws FatalError when something of that name exists with other properties
 */
export async function assertTopology(channel: Channel): Promise<void> {
  for (const { declare } of declarations) await declare(channel);
}

export function bindingOf(queue: string, exchange: string, routingKey: string): { type: 'binding' } & Binding {
  return {
    type: 'binding',
    source: exchange,
    destination: queue,
    destinationType: 'queue',
    routingKey,
    arguments: {},
  };
}

/** Tells objects of one virtual host apart, e.g. `queue admin_backend.audit`. */
export function nameOf(object: TopologyObject): string {
  if (object.type !== 'binding') return `${object.type} ${object.name}`;
  const { source, destination, destinationType, routingKey, arguments: given } = object;
  const further = Object.keys(given).length > 0 ? ` with ${JSON.stringify(given)}` : '';
  return `binding of ${destinationType} ${destination} to ${source} by ${JSON.stringify(routingKey)}${further}`;
}

/** What has to be done by hand before it can be declared with other properties. */
export function removalOf({ type }: TopologyObject): string {
  return type === 'queue' ? 'Move its messages away and delete it' : 'Delete it';
}

function declaration(object: TopologyObject, run: (channel: Channel) => PromiseLike<unknown>): Declaration {
  return {
    object,
    declare: async (channel) => {
      try {
        await run(channel);
      } catch (error) {
        const text = describe(error);
        if (!text.includes('PRECONDITION_FAILED')) throw error;
        throw new FatalError(
          `RabbitMQ differs from the catalog: ${nameOf(object)}${differenceIn(text)}. ` +
            `${removalOf(object)}, then start again; ` +
            'or use another virtual host. Everything that differs: npm run contracts:check',
          { cause: error },
        );
      }
    },
  };
}

/** RabbitMQ names the first property that differs, and writes a value as `'50'`, `the value '50' of type 'byte'` or `none`. */
function differenceIn(text: string): string {
  const value = String.raw`(?:the value )?(none|'.*?')(?: of type '\w+')?`;
  const pattern = new RegExp(
    `inequivalent arg '(.+?)' for .* in vhost '(.+)': received ${value} but current is ${value}`,
  );
  const [, property, virtualHost, catalog, actual] = pattern.exec(text) ?? [];
  if (property === undefined) return `: ${text}`;
  return ` in the virtual host ${virtualHost} has ${property} ${actual}, the catalog says ${catalog}`;
}
