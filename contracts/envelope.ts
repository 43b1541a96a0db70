import { z } from 'zod';
import { id, timestamp } from './fields.ts';
import { desiredStates } from './names.ts';

/**
 * Headers of every event. Names with the prefix are attributes and extensions of CloudEvents in its AMQP binding
 * (https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/amqp-protocol-binding.md, binary mode; extensions
 * sequence, correlation, distributed tracing); the others have no name there. The body stays exactly as documented.
 */
const eventHeaders = z.object({
  'cloudEvents:specversion': z.literal('1.0').meta({ description: 'Of CloudEvents.' }),
  'cloudEvents:id': id('Of the event. Consumers drop repeats by it.'),
  'cloudEvents:source': z.string().min(1).meta({ description: 'Who the event is from.' }),
  'cloudEvents:type': z.string().min(1).meta({ description: 'Its name, e.g. `instance.created`.' }),
  'cloudEvents:subject': id('The instance or agent that it is about.'),
  'cloudEvents:time': timestamp('When the row changed.'),
  'cloudEvents:sequence': z
    .string()
    // Zero-padded, since the extension asks for text that sorts.
    .regex(/^\d{19}$/)
    .refine((text) => Number(text) > 0 && Number.isSafeInteger(Number(text)), 'must be between 1 and 2^53 - 1')
    .meta({ description: '19 digits: version of the row, contiguous from 1 per subject.' }),
  'cloudEvents:correlationid': id('Shared by everything that one change led to.'),
  'cloudEvents:causationid': id('The event that led to this one, where one did.').optional(),
  'cloudEvents:traceparent': z
    .string()
    .regex(/^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/)
    .meta({ description: '[W3C trace context](https://www.w3.org/TR/trace-context/).' }),
  schema_version: z.int().positive().meta({ description: 'Version of the body.' }),
  position: z
    .int()
    .positive()
    .meta({
      description:
        'Place in the order of all events, contiguous from 1; kept by a repeat. None: of an older event_broker.',
    })
    .optional(),
});

/** Headers of every command: it is about no version of a row and in no log, so it has no place in either's order. */
export const commandHeaders = eventHeaders.omit({ 'cloudEvents:sequence': true, position: true });
export type CommandHeaders = z.infer<typeof commandHeaders>;

/** Further headers of `instance.*`: what the body, which is fixed by its contract, leaves out. */
const instanceHeaders = z.object({
  agent_id: id('The agent that the instance runs.'),
  user_id: id('Whose it is.'),
  desired_state: z.enum(desiredStates).meta({ description: 'What is wanted.' }),
  generation: z.int().positive().meta({ description: 'Version of what is wanted.' }),
  observed_generation: z.int().nonnegative().meta({ description: 'The generation that `status` speaks of.' }),
});

/** The headers of a kind of message, as they are published to readers in other languages. */
export const headerSchemas = {
  'headers.agent_event': eventHeaders,
  'headers.instance_event': eventHeaders.extend(instanceHeaders.shape),
  'headers.command': commandHeaders,
} as const;

/** Properties of a message that repeat a header, for tools that know nothing of headers. */
export const propertyOfHeader: Readonly<Record<string, string>> = {
  'cloudEvents:id': 'message_id',
  'cloudEvents:type': 'type',
  'cloudEvents:correlationid': 'correlation_id',
};

const wireHeaders = eventHeaders.extend(instanceHeaders.partial().shape);
export type WireHeaders = z.infer<typeof wireHeaders>;

/** Where an event comes from: carried along so that everything that it causes can be traced back to it. */
export interface Trace {
  correlationId: string;
  causationId?: string | undefined;
  /** https://www.w3.org/TR/trace-context/#traceparent-header */
  traceparent: string;
}

export interface CommandMetadata extends Trace {
  id: string;
  type: string;
  source: string;
  subject: string;
  time: string;
  schemaVersion: number;
}

export interface EventMetadata extends CommandMetadata {
  sequence: number;
  position?: number | undefined;
  instance?: InstanceMetadata | undefined;
}

export interface InstanceMetadata {
  agentId: string;
  userId: string;
  desiredState: (typeof desiredStates)[number];
  generation: number;
  observedGeneration: number;
}

export function toCommandHeaders(metadata: CommandMetadata): CommandHeaders {
  return {
    'cloudEvents:specversion': '1.0',
    'cloudEvents:id': metadata.id,
    'cloudEvents:source': metadata.source,
    'cloudEvents:type': metadata.type,
    'cloudEvents:subject': metadata.subject,
    'cloudEvents:time': metadata.time,
    'cloudEvents:correlationid': metadata.correlationId,
    ...(metadata.causationId && { 'cloudEvents:causationid': metadata.causationId }),
    'cloudEvents:traceparent': metadata.traceparent,
    schema_version: metadata.schemaVersion,
  };
}

export function toWireHeaders(metadata: EventMetadata): WireHeaders {
  const { instance } = metadata;
  return {
    ...toCommandHeaders(metadata),
    'cloudEvents:sequence': String(metadata.sequence).padStart(19, '0'),
    ...(metadata.position !== undefined && { position: metadata.position }),
    ...(instance && {
      agent_id: instance.agentId,
      user_id: instance.userId,
      desired_state: instance.desiredState,
      generation: instance.generation,
      observed_generation: instance.observedGeneration,
    }),
  };
}

/** @throws z.ZodError when a mandatory header is missing or malformed */
export function fromWireHeaders(headers: unknown): EventMetadata {
  const wire = wireHeaders.parse(headers);
  const type = wire['cloudEvents:type'];
  return {
    id: wire['cloudEvents:id'],
    type,
    source: wire['cloudEvents:source'],
    subject: wire['cloudEvents:subject'],
    time: wire['cloudEvents:time'],
    sequence: Number(wire['cloudEvents:sequence']),
    position: wire.position,
    schemaVersion: wire.schema_version,
    correlationId: wire['cloudEvents:correlationid'],
    causationId: wire['cloudEvents:causationid'],
    traceparent: wire['cloudEvents:traceparent'],
    instance: type.startsWith('instance.') ? toInstanceMetadata(instanceHeaders.parse(wire)) : undefined,
  };
}

function toInstanceMetadata(wire: z.infer<typeof instanceHeaders>): InstanceMetadata {
  return {
    agentId: wire.agent_id,
    userId: wire.user_id,
    desiredState: wire.desired_state,
    generation: wire.generation,
    observedGeneration: wire.observed_generation,
  };
}
