import {
  controlQueueName,
  deadLetterExchangeName,
  exchangeNames,
  replicaQueueName,
  type ServiceName,
} from './names.ts';
import { deadLetterQueueNames, domainQueueNames, queuesOf, topology } from './topology.ts';

/**
 * The rights of an account in the virtual host, as names of exchanges and queues; `*` stands for one part of a name. Which
 * operation needs which right: https://www.rabbitmq.com/docs/access-control#authorisation
 */
export interface Access {
  /** Allows to declare and delete. */
  configure: readonly string[];
  /** Allows to publish to an exchange, and to bind a queue. */
  write: readonly string[];
  /** Allows to consume a queue, and to bind a queue to an exchange. */
  read: readonly string[];
}

/** The form in which RabbitMQ takes rights: one regular expression each. */
export type Permissions = Record<keyof Access, string>;

const { events, agents, deadLetters, sentAgain } = exchangeNames;
const controlQueues = controlQueueName('*');
const replicaQueues = replicaQueueName('*');

/** The rights of every consumer, and those that a service has besides. A consumer declares and binds nothing, as event_broker does. */
function consumer(service: ServiceName, { configure, write, read }: Access): Access {
  return { configure, write: [deadLetterExchangeName(service), ...write], read: [...queuesOf(service), ...read] };
}

const everyQueue = topology.queues.map(({ name }) => name);
/** Binding a queue requires the right to read the exchange. */
const boundExchanges = [...topology.queues, ...topology.bindings].map(({ exchange }) => exchange);

const serviceAccess = {
  // It declares everything. Declaring a queue with a dead-letter exchange requires reading the queue and writing to the exchange.
  event_broker: {
    configure: [...topology.exchanges.map(({ name }) => name), ...everyQueue],
    write: [events, deadLetters, ...everyQueue],
    read: [...boundExchanges, ...domainQueueNames],
  },
  agents_worker: consumer('agents_worker', {
    configure: [controlQueues],
    write: [agents, controlQueues],
    read: [agents],
  }),
  // Each of its processes also has a queue of its own while it runs.
  user_backend: consumer('user_backend', {
    configure: [replicaQueues],
    write: [replicaQueues],
    read: [replicaQueues, events],
  }),
  // It shows dead letters, and sends them to their queue again.
  admin_backend: consumer('admin_backend', {
    configure: [],
    write: [sentAgain],
    read: deadLetterQueueNames,
  }),
  deployer: consumer('deployer', { configure: [], write: [], read: [] }),
} satisfies Record<ServiceName, Access>;

export const serviceNames = Object.keys(serviceAccess) as ServiceName[];

/** Each service has an account of its own name, and all agents share one. */
export type AccountName = ServiceName | 'agents';

export const access: Readonly<Record<AccountName, Access>> = {
  ...serviceAccess,
  agents: { configure: [], write: [], read: [controlQueues] },
};

export const accountNames = Object.keys(access) as AccountName[];

export function permissionsOf(account: AccountName): Permissions {
  const { configure, write, read } = access[account];
  return { configure: toPattern(configure), write: toPattern(write), read: toPattern(read) };
}

export function allPermissions(): Record<string, Permissions> {
  return Object.fromEntries(accountNames.map((name) => [name, permissionsOf(name)]));
}

/** Matches each of the names as a whole. */
function toPattern(names: readonly string[]): string {
  if (names.length === 0) return '^$';
  const parts = [...new Set(names)].map((name) => name.replaceAll('.', String.raw`\.`).replaceAll('*', '[^.]+'));
  return `^(${parts.join('|')})$`;
}
