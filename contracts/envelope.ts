import { z } from 'zod';
import { desiredStates } from './names.ts';

/**
 * Headers of every event. Names with the prefix are attributes and extensions of CloudEvents in its AMQP binding
 * (https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/amqp-protocol-binding.md, binary mode; extensions
 * sequence, correlation, distributed tracing); the others have no name there. The body stays exactly as documented.
 */
const eventHeaders = z.object({
  'cloudEvents:specversion': z.literal('1.0'),
  'cloudEvents:id': z.uuid(),
  'cloudEvents:source': z.string().min(1),
  'cloudEvents:type': z.string().min(1),
  'cloudEvents:subject': z.uuid(),
  'cloudEvents:time': z.iso.datetime(),
  /** One sequence per subject, contiguous from 1; zero-padded, since the extension asks for text that sorts. */
  'cloudEvents:sequence': z
    .string()
    .regex(/^\d{19}$/)
    .refine((text) => Number(text) > 0 && Number.isSafeInteger(Number(text)), 'must be between 1 and 2^53 - 1'),
  'cloudEvents:correlationid': z.uuid(),
  'cloudEvents:causationid': z.uuid().optional(),
  'cloudEvents:traceparent': z.string().regex(/^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/),
  schema_version: z.int().positive(),
});

/** Headers of every command: it is about no version of a row, so it has no place in a sequence. */
export const commandHeaders = eventHeaders.omit({ 'cloudEvents:sequence': true });
export type CommandHeaders = z.infer<typeof commandHeaders>;

/** Further headers of `instance.*`: what the body, which is fixed by its contract, leaves out. */
const instanceHeaders = z.object({
  agent_id: z.uuid(),
  user_id: z.uuid(),
  desired_state: z.enum(desiredStates),
  generation: z.int().positive(),
  observed_generation: z.int().nonnegative(),
});

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
