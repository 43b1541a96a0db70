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

/** A binding in addition to those of the queue's own definition. */
export interface BindingDefinition {
  exchange: string;
  queue: string;
  routingKey: string;
}

const MiB = 1024 * 1024;

/**
 * High enough for a consumer that crashes repeatedly: with a low limit, its crashes would dead-letter innocent messages
 * that were prefetched with a poisonous one. It is set explicitly, because RabbitMQ 4 defaults to 20.
 */
const deliveryLimit = 100;

export function deadLetterQueueOf<Name extends string>(queue: Name): `${Name}.dead` {
  return `${queue}.dead`;
}

/** Arguments of every domain queue: it is replicated and has a dead-letter queue of its own. */
function common(name: string): QueueDefinition['arguments'] {
  return {
    'x-queue-type': 'quorum',
    'x-delivery-limit': deliveryLimit,
    'x-dead-letter-exchange': exchangeNames.deadLetters,
    'x-dead-letter-routing-key': name,
  };
}

/**
 * For a queue that must not lose messages. A full queue refuses them, as at-least-once dead-lettering requires; the events
 * stay in the event log, and the publisher tries again.
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
 * For a queue that may be without a consumer for a long time. A full queue drops its oldest messages, so that it neither
 * fills the disk nor stops the publisher. Dropped events are still in the event log.
 */
function droppingOldest(name: string): QueueDefinition['arguments'] {
  return { ...common(name), 'x-max-length-bytes': 256 * MiB, 'x-overflow': 'drop-head' };
}

type DomainOf<Type extends EventType> = Type extends `${infer Domain}.${string}` ? Domain : never;

/** One event, or all events of a domain. A key that matches no event does not compile. */
export type RoutingKey = EventType | `${DomainOf<EventType>}.*`;

function domainQueue<
  const Name extends string,
  const Consumer extends ServiceName,
  const Keys extends readonly RoutingKey[],
>(name: Name, consumer: Consumer, routingKeys: Keys, argumentsOf: (name: string) => QueueDefinition['arguments']) {
  const consumers: readonly [Consumer] = [consumer];
  return { name, exchange: exchangeNames.events, routingKeys, consumers, arguments: argumentsOf(name) };
}

const {
  agentsWorkerInstance,
  agentsWorkerAgent,
  agentsWorkerRollout,
  agentsWorkerDeployment,
  userBackendWsUpdates,
  userBackendAgent,
  adminBackendAudit,
} = queueNames;
const domainQueues = [
  domainQueue(agentsWorkerInstance, 'agents_worker', ['instance.*'], refusingWhenFull),
  domainQueue(agentsWorkerAgent, 'agents_worker', ['agent.*'], refusingWhenFull),
  domainQueue(agentsWorkerRollout, 'agents_worker', ['rollout.*'], refusingWhenFull),
  domainQueue(agentsWorkerDeployment, 'deployer', ['deployment.*'], refusingWhenFull),
  domainQueue(userBackendWsUpdates, 'user_backend', ['instance.updated', 'instance.deleted'], droppingOldest),
  domainQueue(userBackendAgent, 'user_backend', ['agent.*'], droppingOldest),
  domainQueue(
    adminBackendAudit,
    'admin_backend',
    ['agent.*', 'instance.*', 'rollout.*', 'deployment.*'],
    droppingOldest,
  ),
] as const;

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

export type EventTypeOf<Name extends DomainQueueName> = EventsOfKey<
  Extract<DomainQueue, { name: Name }>['routingKeys'][number]
>;

export type ConsumerOf<Type extends EventType> = {
  [Name in DomainQueueName]: Type extends EventTypeOf<Name>
    ? Extract<DomainQueue, { name: Name }>['consumers'][number]
    : never;
}[DomainQueueName];

/** The events that reach a queue through its bindings. */
export function eventTypesOf<Name extends DomainQueueName>(name: Name): EventTypeOf<Name>[] {
  const keys: readonly string[] = findQueue(name).routingKeys;
  return eventTypes.filter(
    (type): type is EventTypeOf<Name> => keys.includes(type) || keys.includes(`${type.slice(0, type.indexOf('.'))}.*`),
  );
}

export function serviceOf(queue: DomainQueueName): ServiceName {
  return findQueue(queue).consumers[0];
}

export function queuesOf(service: ServiceName): DomainQueueName[] {
  return domainQueues.map(({ name }) => name).filter((name) => serviceOf(name) === service);
}

/** The services that consume queues of `events.topic`, in the order of the queues. */
export const consumerNames: readonly ServiceName[] = [...new Set(domainQueueNames.map(serviceOf))];

/** The services that an event reaches, in the order of the queues. */
export function consumersOf(type: EventType): ServiceName[] {
  const queues = domainQueues.filter(({ name }) => eventTypesOf(name).includes(type));
  return [...new Set(queues.flatMap(({ consumers }) => consumers))];
}

function findQueue(name: DomainQueueName): DomainQueue {
  const queue = domainQueues.find((candidate) => candidate.name === name);
  if (queue) return queue;
  throw new Error(`${name} is no queue of the catalog: define it in contracts/topology.ts first`);
}

/**
 * The queue for the commands to one instance. Each start of the agent creates it, and the clean-up removes it. It is a
 * classic queue, because there are as many as instances (docs/decisions/control-plane.md).
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
      // If the clean-up missed the queue, RabbitMQ removes it after this time without a consumer or a declaration.
      'x-expires': 24 * 60 * 60 * 1000,
    },
  };
}

/**
 * The queue of one replica of user_backend, so that every replica gets every event. The replica makes a new one for each connection, and
 * removes it when it ends. It notices dropped events by their missing positions, and reads them from the event log. The queue is
 * replicated, because RabbitMQ confirms no event as long as the node of one of its queues is away (docs/decisions/backends.md).
 */
export function replicaQueueOf(replicaId: string) {
  return {
    name: replicaQueueName(replicaId),
    exchange: exchangeNames.events,
    routingKeys: [...eventTypesOf(queueNames.userBackendWsUpdates), ...eventTypesOf(queueNames.userBackendAgent)],
    consumers: ['one replica of user_backend'],
    arguments: {
      'x-queue-type': 'quorum',
      'x-max-length-bytes': 64 * MiB,
      'x-overflow': 'drop-head',
      // If the connection broke, RabbitMQ removes the queue after this time without a consumer.
      'x-expires': 60 * 1000,
    },
  } satisfies QueueDefinition;
}

/** Raised by a change that RabbitMQ refuses for existing queues and exchanges, or that takes messages from a consumer. */
export const topologyVersion = 2;

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
      purpose: `messages that \`${service}\` could not handle; only \`${service}\` publishes; the routing key is the queue they were in`,
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
      // Looking at a letter and returning it counts as a delivery, and must never use up the limit.
      arguments: { 'x-queue-type': 'quorum', 'x-max-length-bytes': 256 * MiB, 'x-delivery-limit': 1_000_000 },
    })),
    ...domainQueues,
  ],
  bindings: domainQueueNames.flatMap((name) => [
    // Only the exchange of its own service is bound to a dead-letter queue, so no other service can publish there.
    { exchange: deadLetterExchangeName(serviceOf(name)), queue: deadLetterQueueOf(name), routingKey: name },
    { exchange: exchangeNames.sentAgain, queue: name, routingKey: name },
  ]),
};
