import type { Channel } from 'amqplib';
import { exchangeNames, type ServiceName } from '../contracts/names.ts';
import { deadLetterQueueOf, queuesOf, topology } from '../contracts/topology.ts';
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

/** A user of the server, or what it may do in the virtual host. */
export interface AccountObject {
  type: 'user' | 'permissions';
  name: string;
}

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
 * Declares what a service has to: event_broker everything, because a confirmed publish is not enough: as long as any queue
 * is bound, a missing one loses its copy in silence. The others declare their own queues, with dead letters and bindings.
 *
 * @throws FatalError when something of that name exists with other properties, or the account may not declare it; Error
 *   when an exchange is not there yet
 */
export async function assertTopology(channel: Channel, service: ServiceName): Promise<void> {
  if (service !== 'event_broker') await assertExchangesAreThere(channel);
  for (const { object, declare } of declarationsOf(service)) {
    await declare(channel).catch((error: unknown) => {
      const text = describe(error);
      if (!text.includes('ACCESS_REFUSED')) throw error;
      throw new FatalError(
        `RabbitMQ does not let this account declare the ${nameOf(object)} as ${service} does: ${text}. Use the account ` +
          `of ${service} in AMQP_URL; npm run contracts:check -- --accounts says which rights it needs.`,
        { cause: error },
      );
    });
  }
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
export function nameOf(object: TopologyObject | AccountObject): string {
  if (object.type === 'permissions') return `permissions of user ${object.name}`;
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

/** In the order of all of them. */
function declarationsOf(service: ServiceName): readonly Declaration[] {
  if (service === 'event_broker') return declarations;
  const own = new Set<string>(queuesOf(service).flatMap((name) => [name, deadLetterQueueOf(name)]));
  return declarations.filter(({ object }) => own.has(object.type === 'binding' ? object.destination : object.name));
}

async function assertExchangesAreThere(channel: Channel): Promise<void> {
  for (const name of Object.values(exchangeNames)) {
    await channel.checkExchange(name).catch((error: unknown) => {
      if (!describe(error).includes('NOT_FOUND')) throw error;
      throw new Error(`event_broker has not made the exchange ${name} yet: start it, if it does not run.`, {
        cause: error,
      });
    });
  }
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
