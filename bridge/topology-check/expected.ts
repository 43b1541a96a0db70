import { z } from 'zod';
import { controlQueueName, exchangeNames } from '../../contracts/names.ts';
import { controlQueueOf, topology } from '../../contracts/topology.ts';
import { bindingOf, type TopologyObject } from '../bus/topology.ts';
import type { VirtualHost } from './virtual-host.ts';

const uuid = z.guid();
const isUuid = (text: string): boolean => uuid.safeParse(text).success;

/**
 * What the virtual host holds once it agrees with the contracts. agents_worker makes and removes control queues: of these, only
 * the ones that exist are expected, in the form in which it makes them.
 */
export function expectedVirtualHost(found: VirtualHost): VirtualHost {
  const queues = [...topology.queues, ...controlQueuesOf(found)];
  return {
    exchanges: topology.exchanges.map(({ name, type }) => ({
      name,
      properties: { type, durable: true, auto_delete: false, internal: false },
    })),
    queues: queues.map(({ name, arguments: given }) => ({
      name,
      properties: { durable: true, auto_delete: false, exclusive: false, ...given },
    })),
    bindings: [
      ...queues.flatMap(({ name, exchange, routingKeys }) => routingKeys.map((key) => bindingOf(name, exchange, key))),
      ...topology.bindings.map(({ queue, exchange, routingKey }) => bindingOf(queue, exchange, routingKey)),
    ],
  };
}

/** Whether the object is a control queue or a binding of one. */
export function isOfControlQueue(object: TopologyObject): boolean {
  return instanceIdOf(object.type === 'binding' ? object.destination : object.name) !== undefined;
}

function controlQueuesOf({ queues, bindings }: VirtualHost): ReturnType<typeof controlQueueOf>[] {
  // Only the database knows the agent of an instance, so a binding to any agent is accepted.
  const agentIds = new Map<string, string>();
  for (const { source, destination, routingKey } of bindings) {
    if (source !== exchangeNames.agents || !isUuid(routingKey) || routingKey === instanceIdOf(destination)) continue;
    if (!agentIds.has(destination)) agentIds.set(destination, routingKey);
  }
  return queues.flatMap(({ name }) => {
    const instanceId = instanceIdOf(name);
    if (instanceId === undefined) return [];
    return controlQueueOf({ instanceId, agentId: agentIds.get(name) ?? '<agent_id>' });
  });
}

function instanceIdOf(queue: string): string | undefined {
  const id = queue.split('.')[1] ?? '';
  return queue === controlQueueName(id) && isUuid(id) ? id : undefined;
}
