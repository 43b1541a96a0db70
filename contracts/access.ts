import {
  controlQueueName,
  deadLetterExchangeName,
  exchangeNames,
  replicaQueueName,
  type ServiceName,
} from './names.ts';
import { deadLetterQueueNames, domainQueueNames, queuesOf, topology } from './topology.ts';

/**
 * What an account may do in the virtual host, as names of exchanges and queues; `*` stands for one part of a name. What
 * needs which right: https://www.rabbitmq.com/docs/access-control#authorisation
 */
export interface Access {
  /** Declare and delete. */
  configure: readonly string[];
  /** Publish to an exchange; bind a queue. */
  write: readonly string[];
  /** Consume a queue; bind to an exchange. */
  read: readonly string[];
}

/** As RabbitMQ takes them: one regular expression for each right. */
export type Permissions = Record<keyof Access, string>;

const { events, agents, deadLetters, sentAgain } = exchangeNames;
const controlQueues = controlQueueName('*');
const replicaQueues = replicaQueueName('*');

/** What every consumer needs. It declares and binds nothing: event_broker does. */
function consumer(service: ServiceName): Access {
  return { configure: [], write: [deadLetterExchangeName(service)], read: queuesOf(service) };
}

function both(one: Access, other: Access): Access {
  return {
    configure: [...one.configure, ...other.configure],
    write: [...one.write, ...other.write],
    read: [...one.read, ...other.read],
  };
}

const everyQueue = topology.queues.map(({ name }) => name);
/** To bind a queue takes the right to read the exchange. */
const boundExchanges = [...topology.queues, ...topology.bindings].map(({ exchange }) => exchange);

const serviceAccess = {
  // Declares everything. To declare a queue that has a dead-letter exchange takes the right to read it, and to write that.
  event_broker: {
    configure: [...topology.exchanges.map(({ name }) => name), ...everyQueue],
    write: [events, deadLetters, ...everyQueue],
    read: [...boundExchanges, ...domainQueueNames],
  },
  agents_worker: both(consumer('agents_worker'), {
    configure: [controlQueues],
    write: [agents, controlQueues],
    read: [agents],
  }),
  // Each of its processes has a queue of its own besides, for as long as it runs.
  user_backend: both(consumer('user_backend'), {
    configure: [replicaQueues],
    write: [replicaQueues],
    read: [replicaQueues, events],
  }),
  // Shows dead letters, and sends them to their queue again.
  admin_backend: both(consumer('admin_backend'), {
    configure: [],
    write: [sentAgain],
    read: deadLetterQueueNames,
  }),
} satisfies Record<ServiceName, Access>;

export const serviceNames = Object.keys(serviceAccess) as ServiceName[];

/** One of each service, with its name, and one that all agents share. */
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

/** Matches the whole of one of the names. */
function toPattern(names: readonly string[]): string {
  if (names.length === 0) return '^$';
  const parts = [...new Set(names)].map((name) => name.replaceAll('.', String.raw`\.`).replaceAll('*', '[^.]+'));
  return `^(${parts.join('|')})$`;
}
