import { z } from 'zod';
import type { Binding } from '../bus/topology.ts';
import type { Declared, Properties } from './findings.ts';
import { listOf, type ManagementOptions } from './management-api.ts';

/** The objects of a virtual host, either as RabbitMQ lists them or as the contracts expect them. */
export interface VirtualHost {
  exchanges: readonly Declared<FoundObject['object']>[];
  queues: readonly Declared<FoundObject['object']>[];
  bindings: readonly Declared<{ type: 'binding' } & Binding>[];
}

/** A virtual host as RabbitMQ lists it, with what administrators have set over its objects. */
export interface FoundVirtualHost extends VirtualHost {
  exchanges: readonly FoundObject[];
  queues: readonly FoundObject[];
  policies: readonly Policy[];
  /** Limits of the virtual host by name, e.g. `max-queues`: https://www.rabbitmq.com/docs/vhosts#limits */
  limits: Readonly<Record<string, number>>;
}

export interface FoundObject extends Declared<{ type: 'exchange' | 'queue'; name: string }> {
  policyName: string | undefined;
}

/** Settings that administrators apply to queues and exchanges by name: https://www.rabbitmq.com/docs/policies */
export interface Policy {
  kind: 'policy' | 'operator policy';
  name: string;
  pattern: string;
  applyTo: string;
  priority: number;
  definition: Properties;
}

const properties = z.record(z.string(), z.unknown());
const common = {
  name: z.string(),
  durable: z.boolean(),
  auto_delete: z.boolean(),
  arguments: properties,
  policy: z.string().nullish(),
};
const exchange = z.object({ ...common, type: z.string(), internal: z.boolean() });
const queue = z.object({ ...common, exclusive: z.boolean() });
const binding = z.object({
  source: z.string(),
  destination: z.string(),
  destination_type: z.enum(['queue', 'exchange']),
  routing_key: z.string(),
  arguments: properties,
});
const policy = z.object({
  name: z.string(),
  pattern: z.string(),
  'apply-to': z.string(),
  priority: z.number(),
  definition: properties,
});
const limits = z.object({ value: z.record(z.string(), z.number()) });

/** Reads over HTTP, because AMQP shows neither bindings nor arguments. @throws Error that says which option to give */
export async function readVirtualHost(options: ManagementOptions): Promise<FoundVirtualHost> {
  const readPolicies = async (list: 'policies' | 'operator-policies', kind: Policy['kind']): Promise<Policy[]> => {
    const found = await listOf(options, list, policy);
    return found.map(({ 'apply-to': applyTo, ...rest }) => ({ kind, applyTo, ...rest }));
  };
  const [exchanges, queues, bindings, policies, operatorPolicies, limitsFound] = await Promise.all([
    listOf(options, 'exchanges', exchange),
    listOf(options, 'queues', queue),
    listOf(options, 'bindings', binding),
    readPolicies('policies', 'policy'),
    readPolicies('operator-policies', 'operator policy'),
    listOf(options, 'vhost-limits', limits),
  ]);
  return {
    exchanges: exchanges.map((found) => toObject('exchange', found)),
    queues: queues.map((found) => toObject('queue', found)),
    bindings: bindings.map(({ destination_type: destinationType, routing_key: routingKey, ...rest }) =>
      toBinding({ ...rest, destinationType, routingKey }),
    ),
    policies: [...policies, ...operatorPolicies],
    limits: Object.assign({}, ...limitsFound.map(({ value }) => value)) as FoundVirtualHost['limits'],
  };
}

function toObject(
  type: 'exchange' | 'queue',
  { name, arguments: given, policy: policyName, ...attributes }: z.infer<typeof exchange> | z.infer<typeof queue>,
): FoundObject {
  return { object: { type, name }, properties: { ...attributes, ...given }, policyName: policyName ?? undefined };
}

/** A binding has no properties that could differ: two bindings that differ in anything are two bindings. */
export function toBinding(given: Binding): VirtualHost['bindings'][number] {
  return { object: { ...given, type: 'binding' }, properties: {}, shown: given.routingKey };
}
