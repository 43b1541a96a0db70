import { catalog } from '../../../contracts/catalog.ts';
import { commandTypes, controlCommands } from '../../../contracts/control-commands.ts';
import { eventTypes, exchangeNames, type EventType } from '../../../contracts/names.ts';
import {
  consumersOf,
  controlQueueOf,
  eventTypesOf,
  replicaQueueOf,
  topology,
  type DomainQueueName,
  type QueueDefinition,
} from '../../../contracts/topology.ts';
import {
  bindingVersion,
  messageRefs,
  messages,
  newestMessageId,
  ref,
  schemas,
  type Json,
} from './asyncapi-messages.ts';
import { publishedSchemas } from './json-schemas.ts';

const controlQueue = controlQueueOf({ instanceId: '{instance_id}', agentId: '{agent_id}' });
const replicaQueue = replicaQueueOf('{replica_id}');
const consumedQueues = topology.queues.filter(({ consumers }) => consumers.length > 0);

/**
 * Describes the whole bus as one AsyncAPI 3 document: what event_broker and agents_worker send, and what each queue delivers.
 * https://www.asyncapi.com/docs/reference/specification/v3.1.0
 */
export function asyncApi(): Json {
  return {
    asyncapi: '3.1.0',
    id: 'urn:instance-engine:event-bus',
    info: {
      title: 'Event bus of the instance engine',
      version: String(Math.max(...publishedSchemas().map(({ version }) => version))),
      description:
        'Domain events on `events.topic`, commands to running agents on `agents.direct`. Every message is versioned by its ' +
        'header `schema_version`; delivery is at least once.',
      tags: [{ name: 'event' }, { name: 'command' }],
    },
    defaultContentType: 'application/json',
    servers: {
      rabbitmq: {
        host: '{host}',
        protocol: 'amqp',
        protocolVersion: '0.9.1',
        description: 'RabbitMQ 3.10 or newer.',
        variables: { host: { default: 'localhost:5672', description: 'As in `AMQP_URL`.' } },
      },
    },
    channels: { ...eventChannels(), ...queueChannels(), ...replicaChannel(), ...commandChannels() },
    operations: { ...sends(), ...receives() },
    components: { messages: messages(), schemas: schemas() },
  };
}

function eventChannels(): Json {
  return named(eventTypes, (type) => ({
    address: type,
    description: `Published by event_broker, ${catalog[type].published}`,
    messages: messageRefs(type),
    bindings: { amqp: { is: 'routingKey', exchange: exchangeBinding(exchangeNames.events), bindingVersion } },
  }));
}

function queueChannels(): Json {
  return Object.fromEntries(
    consumedQueues.map((queue) => [
      queue.name,
      queueChannel(queue, queue.routingKeys.join(', '), eventTypesOf(queue.name as DomainQueueName)),
    ]),
  );
}

function replicaChannel(): Json {
  const { routingKeys } = replicaQueue;
  return {
    'user_backend.replica': queueChannel(replicaQueue, routingKeys.join(', '), routingKeys, {
      parameters: { replica_id: { description: 'UUID of a connection of one replica of user_backend.' } },
    }),
  };
}

function commandChannels(): Json {
  const parameters = {
    instance_id: { description: 'UUID of the instance.' },
    agent_id: { description: 'UUID of the agent.' },
  };
  return {
    ...named(commandTypes, (type) => {
      const parameter = `${controlCommands[type].addressedTo}_id` as const;
      return {
        address: `{${parameter}}`,
        description: `Published by agents_worker, ${controlCommands[type].published}`,
        parameters: { [parameter]: parameters[parameter] },
        messages: messageRefs(type),
        bindings: { amqp: { is: 'routingKey', exchange: exchangeBinding(exchangeNames.agents), bindingVersion } },
      };
    }),
    'instance.control': queueChannel(controlQueue, 'the ids of its instance and its agent', commandTypes, {
      parameters: { instance_id: parameters.instance_id },
    }),
  };
}

function queueChannel(
  { name, exchange, arguments: given }: QueueDefinition,
  keys: string,
  types: readonly string[],
  { parameters }: { parameters?: Json } = {},
): Json {
  const queue = { name, durable: true, exclusive: false, autoDelete: false, vhost: '/' };
  return {
    address: name,
    description: `Bound to ${exchange} by ${keys}.`,
    ...(parameters && { parameters }),
    messages: Object.assign({}, ...types.map(messageRefs)) as Json,
    bindings: { amqp: { is: 'queue', queue, bindingVersion } },
    'x-queue-arguments': given,
  };
}

function sends(): Json {
  const send = (type: string, summary: string): Json => ({
    action: 'send',
    channel: ref(`channels/${type}`),
    summary,
    messages: [ref(`channels/${type}/messages/${newestMessageId(type)}`)],
    bindings: { amqp: { deliveryMode: 2, mandatory: true, timestamp: true, bindingVersion } },
  });
  return {
    ...named(eventTypes, (type) => send(type, `event_broker publishes ${type}`), 'event_broker.'),
    ...named(commandTypes, (type) => send(type, `agents_worker publishes ${type}`), 'agents_worker.'),
  };
}

function receives(): Json {
  const receive = (channel: string, consumers: readonly string[], description: string, ack = true): Json => ({
    action: 'receive',
    channel: ref(`channels/${channel}`),
    summary: `${consumers.join(', ')} consumes`,
    description,
    bindings: { amqp: { ack, bindingVersion } },
  });
  return {
    ...Object.fromEntries(
      consumedQueues.map(({ name, consumers }) => [
        `consume.${name}`,
        receive(name, consumers, sideEffects(eventTypesOf(name as DomainQueueName), consumers)),
      ]),
    ),
    'consume.user_backend.replica': receive(
      'user_backend.replica',
      replicaQueue.consumers,
      sideEffects(replicaQueue.routingKeys, ['user_backend']),
      false,
    ),
    'consume.instance.control': receive(
      'instance.control',
      controlQueue.consumers,
      commandTypes.map((type) => `\`${type}\`: ${controlCommands[type].sideEffects}`).join('\n'),
    ),
  };
}

function sideEffects(types: readonly EventType[], consumers: readonly string[]): string {
  return types
    .flatMap((type) =>
      consumersOf(type)
        .filter((consumer) => consumers.includes(consumer))
        .map((consumer) => `\`${type}\`: ${(catalog[type].sideEffects as Record<string, string>)[consumer]}`),
    )
    .join('\n');
}

function exchangeBinding(name: string): Json {
  const exchange = topology.exchanges.find((candidate) => candidate.name === name);
  return { name, type: exchange?.type, durable: true, autoDelete: false, vhost: '/' };
}

function named<Name extends string>(names: readonly Name[], make: (name: Name) => Json, prefix = ''): Json {
  return Object.fromEntries(names.map((name) => [prefix + name, make(name)]));
}
