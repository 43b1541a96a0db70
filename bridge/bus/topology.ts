import { setTimeout as delay } from 'node:timers/promises';
import type { Channel } from 'amqplib';
import { access } from '../../contracts/access.ts';
import type { ServiceName } from '../../contracts/names.ts';
import { topology } from '../../contracts/topology.ts';
import { isClosedWith, refusals } from './refusal.ts';
import { CannotWork, errorMessage, FatalError } from '../../supervision/errors.ts';

export interface Binding {
  source: string;
  destination: string;
  destinationType: 'queue' | 'exchange';
  routingKey: string;
  arguments: Readonly<Record<string, unknown>>;
}

export type TopologyObject =
  | { type: 'exchange'; name: string }
  | { type: 'queue'; name: string }
  /** Of the virtual host, e.g. `max-queues`. */
  | { type: 'limit'; name: string }
  | ({ type: 'binding' } & Binding);

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
    ...routingKeys.map((key) => bindingDeclaration(name, exchange, key)),
  ]),
  ...topology.bindings.map(({ queue, exchange, routingKey }) => bindingDeclaration(queue, exchange, routingKey)),
];

/**
 * event_broker declares everything, because a confirmed publish is not enough: as long as any queue is bound, a missing one
 * loses its copy in silence. All make sure that they can publish to the direct exchanges that they have to.
 *
 * @throws FatalError when something of that name exists with other properties; CannotWork when an exchange is not there
 *   yet; what RabbitMQ refuses otherwise is for `AmqpConnection.explain`
 */
export async function assertTopology(channel: Channel, service: ServiceName): Promise<void> {
  if (service === 'event_broker') for (const { declare } of declarations) await declare(channel);
  const written: readonly string[] = access[service].write;
  // On the exchange of the events, queues of others that are bound by `#` would get the message that it is tried with.
  const tried = topology.exchanges.filter(({ name, type }) => written.includes(name) && type === 'direct');
  for (const { name } of tried) await assertTakesMessages(channel, name);
}

/**
 * The same again and again, however much is published meanwhile, until aborted. RabbitMQ also tells nobody of an alarm before
 * something is published.
 *
 * @throws when something that is missing cannot be made, or the channel is closed
 */
export async function keepTopology({
  channel,
  service,
  everyMs,
  signal,
}: {
  channel: Channel;
  service: ServiceName;
  everyMs: number;
  signal: AbortSignal;
}): Promise<void> {
  for (;;) {
    await delay(everyMs, undefined, { ref: false, signal }).catch(() => undefined);
    if (signal.aborted) return;
    await assertTopology(channel, service);
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

function bindingDeclaration(queue: string, exchange: string, key: string): Declaration {
  return declaration(bindingOf(queue, exchange, key), (channel) => channel.bindQueue(queue, exchange, key));
}

function declaration(object: TopologyObject, run: (channel: Channel) => PromiseLike<unknown>): Declaration {
  return {
    object,
    declare: async (channel) => {
      try {
        await run(channel);
      } catch (error) {
        const difference = isClosedWith(error, refusals.preconditionFailed) && differenceIn(errorMessage(error));
        if (!difference) throw error;
        throw new FatalError(
          `RabbitMQ differs from the catalog: ${nameOf(object)}${difference}. ` +
            `${removalOf(object)}, then start again; ` +
            'or use another virtual host. Everything that differs: npm run contracts:check',
          { cause: error },
        );
      }
    },
  };
}

/**
 * A passive declaration would ask for further rights: RabbitMQ 4.2.6 and 4.3.0 want `configure` for it. A message by an
 * empty routing key, which nothing is bound by, needs the right to write alone and goes nowhere.
 */
export async function assertTakesMessages(channel: Channel, exchange: string): Promise<void> {
  channel.publish(exchange, '', Buffer.alloc(0));
  // The answer to this call, which changes nothing, comes after RabbitMQ has taken or refused the message.
  await channel.prefetch(0).catch((error: unknown) => {
    if (!isClosedWith(error, refusals.notFound)) throw error;
    throw new CannotWork(`event_broker has not made the exchange ${exchange} yet: start it, if it does not run.`, {
      cause: error,
    });
  });
}

/** RabbitMQ names the first property that differs, and writes a value as `'50'`, `the value '50' of type 'byte'` or `none`. */
function differenceIn(text: string): string | undefined {
  const value = String.raw`(?:the value )?(none|'.*?')(?: of type '\w+')?`;
  const pattern = new RegExp(
    `inequivalent arg '(.+?)' for .* in vhost '(.+)': received ${value} but current is ${value}`,
  );
  const [, property, virtualHost, catalog, actual] = pattern.exec(text) ?? [];
  if (property === undefined) return text.includes('inequivalent arg') ? `: ${text}` : undefined;
  return ` in the virtual host ${virtualHost} has ${property} ${actual}, the catalog says ${catalog}`;
}
