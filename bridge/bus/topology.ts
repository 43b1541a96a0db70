import { setTimeout as delay } from 'node:timers/promises';
import type { Channel } from 'amqplib';
import { access } from '../../contracts/access.ts';
import type { ServiceName } from '../../contracts/names.ts';
import { topology } from '../../contracts/topology.ts';
import { isClosedWith, refusals } from './refusal.ts';
import { CannotWork, errorMessage, FatalError } from '../../supervision/errors.ts';
import { queueConsumers, queueMessages } from '../../metrics/queues.ts';

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
  /** A limit of the virtual host, e.g. `max-queues`. */
  | { type: 'limit'; name: string }
  | ({ type: 'binding' } & Binding);

/** A user of the server, or the permissions of a user in the virtual host. */
export interface AccountObject {
  type: 'user' | 'permissions';
  name: string;
}

interface Declaration {
  object: TopologyObject;
  /** Safe to repeat. @throws FatalError when an object of that name has other properties */
  declare: (channel: Channel) => Promise<void>;
}

/** Every exchange, queue and binding of the contracts, in an order in which they can be declared. */
export const declarations: readonly Declaration[] = [
  ...topology.exchanges.map(({ name, type }) =>
    declaration({ type: 'exchange', name }, (channel) => channel.assertExchange(name, type, { durable: true })),
  ),
  ...topology.queues.flatMap(({ name, exchange, routingKeys, arguments: given }) => [
    declaration({ type: 'queue', name }, async (channel) => {
      const { messageCount, consumerCount } = await channel.assertQueue(name, {
        durable: true,
        arguments: { ...given },
      });
      queueMessages.set({ queue: name }, messageCount);
      queueConsumers.set({ queue: name }, consumerCount);
    }),
    ...routingKeys.map((key) => bindingDeclaration(name, exchange, key)),
  ]),
  ...topology.bindings.map(({ queue, exchange, routingKey }) => bindingDeclaration(queue, exchange, routingKey)),
];

/**
 * Makes sure that the service finds the topology that it needs. event_broker declares everything, because a confirmed publish
 * is not enough: as long as any queue is bound, a missing queue loses its copy silently. Every service checks that it can
 * publish to the direct exchanges it writes to.
 *
 * @throws FatalError when an object has other properties; CannotWork when an exchange does not exist yet; other refusals of
 *   RabbitMQ as they are, for `AmqpConnection.explain`
 */
export async function assertTopology(channel: Channel, service: ServiceName): Promise<void> {
  if (service === 'event_broker') for (const { declare } of declarations) await declare(channel);
  const written: readonly string[] = access[service].write;
  // A topic exchange is not checked: foreign queues that are bound by `#` would get the empty message.
  const checked = topology.exchanges.filter(({ name, type }) => written.includes(name) && type === 'direct');
  for (const { name } of checked) await assertTakesMessages(channel, name);
}

/**
 * Repeats `assertTopology` until aborted. This also detects a resource alarm, which RabbitMQ announces only after something was
 * published.
 *
 * @throws when a missing object cannot be declared, or the channel is closed
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

/** Unique name of an object in its virtual host, e.g. `queue admin_backend.audit`. */
export function nameOf(object: TopologyObject | AccountObject): string {
  if (object.type === 'permissions') return `permissions of user ${object.name}`;
  if (object.type !== 'binding') return `${object.type} ${object.name}`;
  const { source, destination, destinationType, routingKey, arguments: given } = object;
  const further = Object.keys(given).length > 0 ? ` with ${JSON.stringify(given)}` : '';
  return `binding of ${destinationType} ${destination} to ${source} by ${JSON.stringify(routingKey)}${further}`;
}

/** What a person has to do before an object can be declared with other properties. */
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
 * Checks that an exchange exists and that the account may publish to it. A passive declaration would need the right `configure` on
 * RabbitMQ 4.2.6 and 4.3.0. A message with an empty routing key, which no queue is bound by, needs only the right `write`.
 */
export async function assertTakesMessages(channel: Channel, exchange: string): Promise<void> {
  channel.publish(exchange, '', Buffer.alloc(0));
  // This call changes nothing, and RabbitMQ answers it after it has taken or refused the message.
  await channel.prefetch(0).catch((error: unknown) => {
    if (!isClosedWith(error, refusals.notFound)) throw error;
    throw new CannotWork(
      `event_broker has not declared the exchange ${exchange} yet: start event_broker, if it does not run.`,
      {
        cause: error,
      },
    );
  });
}

/** RabbitMQ names the first different property. It writes a value as `'50'`, `the value '50' of type 'byte'` or `none`. */
function differenceIn(text: string): string | undefined {
  const value = String.raw`(?:the value )?(none|'.*?')(?: of type '\w+')?`;
  const pattern = new RegExp(
    `inequivalent arg '(.+?)' for .* in vhost '(.+)': received ${value} but current is ${value}`,
  );
  const [, property, virtualHost, catalog, actual] = pattern.exec(text) ?? [];
  if (property === undefined) return text.includes('inequivalent arg') ? `: ${text}` : undefined;
  return ` in the virtual host ${virtualHost} has ${property} ${actual}, the catalog says ${catalog}`;
}
