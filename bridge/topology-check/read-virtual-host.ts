import { z } from 'zod';
import type { Binding } from '../bus/topology.ts';
import { readLimits, type Limits } from './limits.ts';
import { listOf, type ManagementOptions } from './management-api.ts';
import { readPolicies, type Policy } from './policies.ts';

/** Attributes (`durable`, `type`, …) and arguments of a declaration, named as in RabbitMQ's own messages. */
export type Properties = Readonly<Record<string, unknown>>;

export interface Declared {
  name: string;
  properties: Properties;
  /** Of the policy that applies to it. */
  policyName?: string | undefined;
}

export interface VirtualHost {
  exchanges: readonly Declared[];
  queues: readonly Declared[];
  bindings: readonly Binding[];
}

export interface FoundVirtualHost extends VirtualHost {
  policies: readonly Policy[];
  limits: Limits;
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

/** Over HTTP, because AMQP shows neither bindings nor arguments. @throws Error that says which option to give */
export async function readVirtualHost(options: ManagementOptions): Promise<FoundVirtualHost> {
  const [exchanges, queues, bindings, policies, limits] = await Promise.all([
    listOf(options, 'exchanges', exchange),
    listOf(options, 'queues', queue),
    listOf(options, 'bindings', binding),
    readPolicies(options),
    readLimits(options),
  ]);
  return {
    exchanges: exchanges.map(toDeclared),
    queues: queues.map(toDeclared),
    bindings: bindings.map(({ destination_type: destinationType, routing_key: routingKey, ...rest }) => ({
      ...rest,
      destinationType,
      routingKey,
    })),
    policies,
    limits,
  };
}

function toDeclared({
  name,
  arguments: given,
  policy,
  ...attributes
}: Properties & { name: string; arguments: Properties; policy?: string | null | undefined }): Declared {
  return { name, properties: { ...attributes, ...given }, policyName: policy ?? undefined };
}
