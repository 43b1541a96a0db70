import {
  controlQueueName,
  deadLetterExchangeName,
  eventTypes,
  exchangeNames,
  queueNames,
  replicaQueueName,
  type EventType,
  type ServiceName,
} from './names.ts';

export interface ExchangeDefinition {
  name: string;
  type: 'topic' | 'direct';
  purpose: string;
}

export interface QueueDefinition {
  name: string;
  exchange: string;
  routingKeys: readonly string[];
  consumers: readonly string[];
  /** Arguments of queue.declare (https://www.rabbitmq.com/docs/quorum-queues). */
  arguments: Readonly<Record<string, string | number>>;
}

/** A binding besides that of the queue's own definition. */
export interface BindingDefinition {
  exchange: string;
  queue: string;
  routingKey: string;
}

const MiB = 1024 * 1024;

/**
 * Well above what crashes of a consumer can use up: with a low limit they dead-letter the innocent messages that were
 * prefetched together with a poisonous one. Set explicitly, because RabbitMQ 4 would set 20.
 */
const deliveryLimit = 100;

export function deadLetterQueueOf<Name extends string>(queue: Name): `${Name}.dead` {
  return `${queue}.dead`;
}

/** What every domain queue has: replicated, bounded, and a dead-letter queue of its own. */
function common(name: string): QueueDefinition['arguments'] {
  return {
    'x-queue-type': 'quorum',
    'x-delivery-limit': deliveryLimit,
    'x-dead-letter-exchange': exchangeNames.deadLetters,
    'x-dead-letter-routing-key': name,
  };
}

/**
 * For a queue whose messages must not be lost: when full it refuses (at-least-once dead-lettering asks for that), and
 * the publisher keeps the events in the event log and tries again.
 */
function refusingWhenFull(name: string): QueueDefinition['arguments'] {
  return {
    ...common(name),
    'x-max-length-bytes': 1024 * MiB,
    'x-overflow': 'reject-publish',
    'x-dead-letter-strategy': 'at-least-once',
  };
}

/**
 * For a queue that may stand without a consumer: when full it drops its oldest messages, so that it can neither fill
 * the disk nor stop the publisher. What it drops is still in the event log.
 */
function droppingOldest(name: string): QueueDefinition['arguments'] {
  return { ...common(name), 'x-max-length-bytes': 256 * MiB, 'x-overflow': 'drop-head' };
}

type DomainOf<Type extends EventType> = Type extends `${infer Domain}.${string}` ? Domain : never;

/** One event, or all of a domain: a key that no event has cannot be bound. */
export type RoutingKey = EventType | `${DomainOf<EventType>}.*`;

/** The queues of `events.topic`. */
const domainQueues = [
  {
    name: queueNames.agentsWorkerInstance,
    exchange: exchangeNames.events,
    routingKeys: ['instance.*'],
    consumers: ['agents_worker'],
    arguments: refusingWhenFull(queueNames.agentsWorkerInstance),
  },
  {
    name: queueNames.agentsWorkerAgent,
    exchange: exchangeNames.events,
    routingKeys: ['agent.*'],
    consumers: ['agents_worker'],
    arguments: refusingWhenFull(queueNames.agentsWorkerAgent),
  },
  {
    name: queueNames.userBackendWsUpdates,
    exchange: exchangeNames.events,
    routingKeys: ['instance.updated', 'instance.deleted'],
    consumers: ['user_backend'],
    arguments: droppingOldest(queueNames.userBackendWsUpdates),
  },
  {
    name: queueNames.userBackendAgent,
    exchange: exchangeNames.events,
    routingKeys: ['agent.*'],
    consumers: ['user_backend'],
    arguments: droppingOldest(queueNames.userBackendAgent),
  },
  {
    name: queueNames.adminBackendAudit,
    exchange: exchangeNames.events,
    routingKeys: ['agent.*', 'instance.*'],
    consumers: ['admin_backend'],
    arguments: droppingOldest(queueNames.adminBackendAudit),
  },
] as const satisfies readonly (QueueDefinition & {
  routingKeys: readonly RoutingKey[];
  consumers: readonly [ServiceName];
})[];

type DomainQueue = (typeof domainQueues)[number];
export type DomainQueueName = DomainQueue['name'];
export type DeadLetterQueueName = ReturnType<typeof deadLetterQueueOf<DomainQueueName>>;

export const domainQueueNames: readonly DomainQueueName[] = domainQueues.map(({ name }) => name);
export const deadLetterQueueNames: readonly DeadLetterQueueName[] = domainQueueNames.map((name) =>
  deadLetterQueueOf(name),
);

type EventsOfKey<Key extends RoutingKey> = Key extends `${infer Domain}.*`
  ? Extract<EventType, `${Domain}.${string}`>
  : Extract<EventType, Key>;

/** The events that reach a queue. */
export type EventTypeOf<Name extends DomainQueueName> = EventsOfKey<
  Extract<DomainQueue, { name: Name }>['routingKeys'][number]
>;

/** The services whose queues an event reaches. */
export type ConsumerOf<Type extends EventType> = {
  [Name in DomainQueueName]: Type extends EventTypeOf<Name>
    ? Extract<DomainQueue, { name: Name }>['consumers'][number]
    : never;
}[DomainQueueName];

/**
 * The events that reach a queue through its bindings.
 *
 * @throws Error when the catalog has no such queue
 */
export function eventTypesOf<Name extends DomainQueueName>(name: Name): EventTypeOf<Name>[] {
  const keys: readonly string[] = domainQueue(name).routingKeys;
  return eventTypes.filter(
    (type): type is EventTypeOf<Name> => keys.includes(type) || keys.includes(`${type.slice(0, type.indexOf('.'))}.*`),
  );
}

/**
 * The service that consumes a queue.
 *
 * @throws Error when the catalog has no such queue
 */
export function serviceOf(queue: DomainQueueName): ServiceName {
  return domainQueue(queue).consumers[0];
}

/** The queues that a service consumes. */
export function queuesOf(service: ServiceName): DomainQueueName[] {
  return domainQueues.map(({ name }) => name).filter((name) => serviceOf(name) === service);
}

/** The services that consume queues of `events.topic`, in the order of the queues. */
export const consumerNames: readonly ServiceName[] = [...new Set(domainQueueNames.map(serviceOf))];

/** In the order of the queues. */
export function consumersOf(type: EventType): ServiceName[] {
  const queues = domainQueues.filter(({ name }) => eventTypesOf(name).includes(type));
  return [...new Set(queues.flatMap(({ consumers }) => consumers))];
}

function domainQueue(name: DomainQueueName): DomainQueue {
  const queue = domainQueues.find((candidate) => candidate.name === name);
  if (queue) return queue;
  throw new Error(`${name} is no queue of the catalog: define it in contracts/topology.ts first`);
}

/**
 * The queue of one instance whose agent listens: made for each start of the agent, removed by the clean-up. Classic,
 * because there are as many as instances (docs/decisions/control-plane.md).
 */
export function controlQueueOf({ instanceId, agentId }: { instanceId: string; agentId: string }): QueueDefinition {
  return {
    name: controlQueueName(instanceId),
    exchange: exchangeNames.agents,
    routingKeys: [instanceId, agentId],
    consumers: ['the agent of the instance'],
    arguments: {
      'x-queue-type': 'classic',
      'x-max-length': 64,
      'x-overflow': 'drop-head',
      // The net under the clean-up: RabbitMQ removes a queue that nobody has consumed or declared for so long.
      'x-expires': 24 * 60 * 60 * 1000,
    },
  };
}

/**
 * The queue of one replica of user_backend, which gives it what the others get as well: made for each of its connections,
 * and gone with it. What it drops is found missing by the positions, and read from the event log
 * (docs/decisions/backends.md).
 */
export function replicaQueueOf(replicaId: string) {
  return {
    name: replicaQueueName(replicaId),
    exchange: exchangeNames.events,
    routingKeys: [...eventTypesOf(queueNames.userBackendWsUpdates), ...eventTypesOf(queueNames.userBackendAgent)],
    consumers: ['one replica of user_backend'],
    durable: false,
    exclusive: true,
    autoDelete: true,
    arguments: { 'x-queue-type': 'classic', 'x-max-length-bytes': 64 * MiB, 'x-overflow': 'drop-head' },
  } satisfies QueueDefinition & Record<'durable' | 'exclusive' | 'autoDelete', boolean>;
}

/** Goes up with a change that RabbitMQ refuses for what exists, or that takes messages from a consumer. */
export const topologyVersion = 1;

/** Every exchange, queue and further binding of the bus, in the order in which they can be declared. */
export const topology: {
  exchanges: readonly ExchangeDefinition[];
  queues: readonly QueueDefinition[];
  bindings: readonly BindingDefinition[];
} = {
  exchanges: [
    { name: exchangeNames.events, type: 'topic', purpose: 'domain events; only `event_broker` publishes' },
    {
      name: exchangeNames.agents,
      type: 'direct',
      purpose: '[commands](#commands) to one instance or to all of an agent; only `agents_worker` publishes',
    },
    {
      name: exchangeNames.deadLetters,
      type: 'direct',
      purpose: 'messages that RabbitMQ itself gave up; the routing key is the queue they were in',
    },
    ...consumerNames.map((service) => ({
      name: deadLetterExchangeName(service),
      type: 'direct' as const,
      purpose: `messages that \`${service}\` could not handle, which alone publishes; the routing key is the queue they were in`,
    })),
    {
      name: exchangeNames.sentAgain,
      type: 'direct',
      purpose:
        'dead letters that are sent again; only `admin_backend` publishes; the routing key is the queue they were in',
    },
  ],
  queues: [
    ...domainQueues.map(({ name }) => ({
      name: deadLetterQueueOf(name),
      exchange: exchangeNames.deadLetters,
      routingKeys: [name],
      consumers: [],
      // Whoever looks at a letter gives it back, which counts as a delivery: no number of looks may lose it.
      arguments: { 'x-queue-type': 'quorum', 'x-max-length-bytes': 256 * MiB, 'x-delivery-limit': 1_000_000 },
    })),
    ...domainQueues,
  ],
  bindings: domainQueueNames.flatMap((name) => [
    // No service can publish into the dead-letter queue of another: its exchange has no binding to it.
    { exchange: deadLetterExchangeName(serviceOf(name)), queue: deadLetterQueueOf(name), routingKey: name },
    { exchange: exchangeNames.sentAgain, queue: name, routingKey: name },
  ]),
};
