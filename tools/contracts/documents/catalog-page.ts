import { catalog } from '../../../contracts/catalog.ts';
import { commandTypes, controlCommands, type CommandType } from '../../../contracts/control-commands.ts';
import { headerSchemas, propertyOfHeader } from '../../../contracts/envelope.ts';
import { eventTypes, type EventType } from '../../../contracts/names.ts';
import { deploymentNotification, notification, rolloutNotification } from '../../../contracts/notification.ts';
import { statusReasons } from '../../../contracts/status-reasons.ts';
import {
  consumersOf,
  controlQueueOf,
  replicaQueueOf,
  topology,
  type QueueDefinition,
} from '../../../contracts/topology.ts';
import type { Versions } from '../../../contracts/versions.ts';
import { accessTable, agentsAccount } from './access-sections.ts';
import { publishedSchemas, schemaFile, toJsonSchema } from './json-schemas.ts';
import { example, table } from './markdown.ts';
import { branchesOf, code, fieldsOf, type Field } from './words.ts';

const controlQueue = controlQueueOf({ instanceId: '<instance_id>', agentId: '<agent_id>' });
const replicaQueue = replicaQueueOf('<uuid>');

/** The sections of `docs/event-bus-contracts.md`, by the names of their marks. */
export function catalogSections(): Record<string, string> {
  return {
    exchanges: table(
      ['exchange', 'type', 'purpose'],
      topology.exchanges.map(({ name, type, purpose }) => [code(name), type, purpose]),
    ),
    queues: queueTable(
      topology.queues
        .filter(({ consumers }) => consumers.length > 0)
        .map((queue) => ({ ...queue, consumers: queue.consumers.map(code) })),
      whenDomainQueueIsFull,
    ),
    'queue arguments': argumentTable(topology.queues),
    'replica queue': ownQueueSection(
      replicaQueue,
      `${mebibytes(replicaQueue.arguments['x-max-length-bytes'])}: drops its oldest`,
    ),
    accounts: accessTable(),
    headers: headerTable(),
    events: eventTypes.map(eventSection).join('\n\n'),
    'status reasons': table(
      ['code', 'status', 'why'],
      Object.entries(statusReasons).map(([name, { statuses, why }]) => [
        code(name),
        statuses.map(code).join(', '),
        why,
      ]),
    ),
    'control queue': ownQueueSection(
      controlQueue,
      `${controlQueue.arguments['x-max-length']} commands: drops its oldest`,
    ),
    commands: commandTypes.map(commandSection).join('\n\n'),
    "agents' account": agentsAccount(),
    notification: notificationSection(),
  };
}

function eventSection(type: EventType): string {
  const { published, sideEffects, versions } = catalog[type];
  return messageSection(type, versions, [
    `- **Routing key:** ${code(type)}`,
    `- **Published by:** \`event_broker\`, ${published}`,
    `- **Version:** ${versionLinks(type)}`,
    `- **Consumers:** ${consumersOf(type).map(code).join(', ')}`,
    '- **Side effects:**',
    ...Object.entries(sideEffects).map(([consumer, effect]) => `  - ${code(consumer)}: ${effect}`),
  ]);
}

function commandSection(type: CommandType): string {
  const { addressedTo, source, published, sideEffects, versions } = controlCommands[type];
  return messageSection(type, versions, [
    `- **Routing key:** \`<${addressedTo}_id>\``,
    `- **Published by:** \`agents_worker\` (\`cloudEvents:source\` ${code(source)}), ${published}`,
    `- **Version:** ${versionLinks(type)}`,
    `- **Consumers:** ${addressedTo === 'agent' ? 'all instances of the agent' : 'the agent of the instance'}`,
    `- **Side effects:** ${sideEffects}`,
  ]);
}

function messageSection(type: string, { newest }: Versions<unknown>, facts: string[]): string {
  return [
    `### ${code(type)}`,
    [...facts, '- **Payload:**'].join('\n'),
    fieldTable(fieldsOf(toJsonSchema(newest.schema))),
    example(newest.example),
  ].join('\n\n');
}

/** Links the newest version, which is written, and the older ones, which can still be read. */
function versionLinks(name: string): string {
  const versions = publishedSchemas().filter((schema) => schema.name === name);
  const links = versions.map((schema) => `[${schema.version}](schemas/${schemaFile(schema)})`).toReversed();
  return links.length > 1 ? `${links[0]}; still read: ${links.slice(1).join(', ')}` : `${links[0]}`;
}

function queueTable(queues: readonly QueueDefinition[], whenFull: (queue: QueueDefinition) => string): string {
  return table(
    ['queue', 'bound exchange', 'routing keys', 'consumers', 'when it is full'],
    queues.map((queue) => [
      code(queue.name),
      code(queue.exchange),
      queue.routingKeys.map(code).join(', '),
      queue.consumers.join(', '),
      whenFull(queue),
    ]),
  );
}

function whenDomainQueueIsFull({ arguments: given }: QueueDefinition): string {
  const limit = mebibytes(given['x-max-length-bytes']);
  return given['x-overflow'] === 'reject-publish'
    ? `${limit}: refuses; the broker tries again later`
    : `${limit}: drops its oldest (see the dead letters)`;
}

/** A table with a column for each set of arguments that several queues share. Their own names in the arguments do not count. */
function argumentTable(queues: readonly QueueDefinition[]): string {
  const own = "the queue's name";
  const kinds = new Map<string, { arguments: Record<string, string>; names: string[] }>();
  for (const { name, arguments: given } of queues) {
    const entries = Object.entries(given).map(([key, value]) => [key, value === name ? own : code(value)] as const);
    const key = JSON.stringify(entries);
    const kind = kinds.get(key) ?? { arguments: Object.fromEntries(entries), names: [] };
    kind.names.push(code(name));
    kinds.set(key, kind);
  }
  const columns = [...kinds.values()];
  const keys = [...new Set(columns.flatMap((kind) => Object.keys(kind.arguments)))];
  return table(
    ['argument', ...columns.map(({ names }) => names.join(', '))],
    keys.map((key) => [code(key), ...columns.map((kind) => kind.arguments[key] ?? '')]),
  );
}

function headerTable(): string {
  const ofEvents = fieldsOf(toJsonSchema(headerSchemas['headers.agent_event']));
  const ofInstances = fieldsOf(toJsonSchema(headerSchemas['headers.instance_event']));
  const ofCommands = new Set(Object.keys(headerSchemas['headers.command'].shape));
  const common = new Set(ofEvents.map(({ name }) => name));
  return table(
    ['header', 'property', 'of events', 'of commands', 'type', 'content'],
    ofInstances.map(({ name, mandatory, type, description }) => [
      code(name),
      propertyOfHeader[name] ? code(propertyOfHeader[name]) : '',
      common.has(name) ? (mandatory ? 'mandatory' : 'optional') : 'mandatory of `instance.*`',
      ofCommands.has(name) ? (mandatory ? 'mandatory' : 'optional') : '',
      type,
      description,
    ]),
  );
}

/** The section on a queue that belongs to one instance or replica. */
function ownQueueSection(queue: QueueDefinition, whenFull: string): string {
  return [
    queueTable([queue], () => whenFull),
    table(
      ['argument', 'value'],
      Object.entries(queue.arguments).map(([name, value]) => [code(name), code(value)]),
    ),
  ].join('\n\n');
}

function notificationSection(): string {
  const schema = toJsonSchema(notification.versions.newest.schema);
  const branches = branchesOf(schema).map(({ when, schema: branch }) => {
    const row = branch.properties?.['row_data'];
    return [`\`row_data\`, where ${when}:`, fieldTable(fieldsOf(row as typeof schema))].join('\n\n');
  });
  const envelope = branchesOf(schema)[0]?.schema ?? schema;
  const fields = fieldsOf(envelope).map((field) => {
    if (field.name === 'table')
      return { ...field, type: '`instances`, `agents`, `rollouts`, `deployments`', description: 'Whose row changed.' };
    if (field.name === 'row_data') return { ...field, type: 'object', description: 'The row; on delete, as it was.' };
    return field;
  });
  const others = [
    { of: 'rollouts', name: 'rollout_notification', schema: rolloutNotification.versions.newest.schema },
    { of: 'deployments', name: 'deployment_notification', schema: deploymentNotification.versions.newest.schema },
  ];
  return [
    `Version ${versionLinks('notification')}:`,
    fieldTable(fields),
    ...branches,
    ...others.flatMap(({ of, name, schema: other }) => [
      `\`row_data\`, where \`table\` is \`${of}\`, version ${versionLinks(name)}:`,
      fieldTable(fieldsOf(toJsonSchema(other).properties?.['row_data'] as typeof schema)),
    ]),
  ].join('\n\n');
}

function fieldTable(fields: readonly Field[]): string {
  return table(
    ['field', 'type', '', 'content'],
    fields.map(({ name, type, mandatory, description }) => [
      code(name),
      type,
      mandatory ? '' : 'optional',
      description,
    ]),
  );
}

function mebibytes(bytes: string | number | undefined): string {
  const mib = Number(bytes) / 1024 / 1024;
  return mib >= 1024 ? `${mib / 1024} GiB` : `${mib} MiB`;
}
