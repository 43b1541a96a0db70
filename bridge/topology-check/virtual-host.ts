import { z } from 'zod';
import type { Binding } from '../bus/topology.ts';
import { listOf, type ManagementOptions } from './management-api.ts';

/** Attributes (`durable`, `type`, …) and arguments of a declaration, named as in RabbitMQ's own messages. */
export type Properties = Readonly<Record<string, unknown>>;

/** An exchange or a queue. */
export interface Declared {
  name: string;
  properties: Properties;
  /** Name of the policy that applies to it. */
  policyName?: string | undefined;
}

/** The objects of a virtual host, either as RabbitMQ lists them or as the contracts expect them. */
export interface VirtualHost {
  exchanges: readonly Declared[];
  queues: readonly Declared[];
  bindings: readonly Binding[];
}

/** A virtual host as RabbitMQ lists it, with what administrators have set over its objects. */
export interface FoundVirtualHost extends VirtualHost {
  policies: readonly Policy[];
  /** Limits of the virtual host by name, e.g. `max-queues`: https://www.rabbitmq.com/docs/vhosts#limits */
  limits: Readonly<Record<string, number>>;
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

const common = {
  name: z.string(),
  durable: z.boolean(),
  auto_delete: z.boolean(),
  arguments: z.record(z.string(), z.unknown()),
  policy: z.string().nullish(),
};
const exchange = z.object({ ...common, type: z.string(), internal: z.boolean() });
const queue = z.object({ ...common, exclusive: z.boolean() });
const binding = z.object({
  source: z.string(),
  destination: z.string(),
  destination_type: z.enum(['queue', 'exchange']),
  routing_key: z.string(),
  arguments: common.arguments,
});
const policy = z.object({
  name: z.string(),
  pattern: z.string(),
  'apply-to': z.string(),
  priority: z.number(),
  definition: z.record(z.string(), z.unknown()),
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
    exchanges: exchanges.map(toDeclared),
    queues: queues.map(toDeclared),
    bindings: bindings.map(({ destination_type: destinationType, routing_key: routingKey, ...rest }) => ({
      ...rest,
      destinationType,
      routingKey,
    })),
    policies: [...policies, ...operatorPolicies],
    limits: Object.assign({}, ...limitsFound.map(({ value }) => value)) as FoundVirtualHost['limits'],
  };
}

function toDeclared({
  name,
  arguments: given,
  policy: policyName,
  ...attributes
}: Properties & { name: string; arguments: Properties; policy?: string | null | undefined }): Declared {
  return { name, properties: { ...attributes, ...given }, policyName: policyName ?? undefined };
}
