import { controlQueueName, exchangeNames, type ServiceName } from './names.ts';
import { deadLetterQueueOf, queuesOf, topology } from './topology.ts';

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

const { events, agents, deadLetters } = exchangeNames;
/** By its own name, the empty one, the default exchange could not be told from a right to nothing. */
const defaultExchange = 'amq.default';
const controlQueues = controlQueueName('*');

/** What every consumer needs: its queues and their dead letters, which it declares and publishes itself. */
function consumer(service: ServiceName): Access {
  const queues: string[] = queuesOf(service);
  const own = [...queues, ...queues.map(deadLetterQueueOf)];
  return { configure: own, write: [...own, deadLetters], read: [...queues, events, deadLetters] };
}

function both(one: Access, other: Access): Access {
  return {
    configure: [...one.configure, ...other.configure],
    write: [...one.write, ...other.write],
    read: [...one.read, ...other.read],
  };
}

const everyQueue = topology.queues.map(({ name }) => name);
const everyDeadLetterQueue = topology.queues.filter(({ exchange }) => exchange === deadLetters).map(({ name }) => name);

const serviceAccess = {
  // Declares everything. To declare a queue that has a dead-letter exchange takes the right to read it.
  event_broker: {
    configure: [...topology.exchanges.map(({ name }) => name), ...everyQueue],
    write: [events, deadLetters, ...everyQueue],
    read: [events, deadLetters, ...everyQueue.filter((name) => !everyDeadLetterQueue.includes(name))],
  },
  agents_worker: both(consumer('agents_worker'), {
    configure: [controlQueues],
    write: [agents, controlQueues],
    read: [agents],
  }),
  // Each of its processes has a queue of its own besides, for as long as it runs.
  user_backend: both(consumer('user_backend'), {
    configure: ['user_backend.replica.*'],
    write: ['user_backend.replica.*'],
    read: ['user_backend.replica.*'],
  }),
  // Shows dead letters, and sends them to their queue again.
  admin_backend: both(consumer('admin_backend'), {
    configure: [],
    write: [defaultExchange],
    read: everyDeadLetterQueue,
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
