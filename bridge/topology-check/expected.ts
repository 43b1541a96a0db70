import { z } from 'zod';
import { controlQueueName, exchangeNames, replicaQueueName } from '../../contracts/names.ts';
import { controlQueueOf, topology } from '../../contracts/topology.ts';
import { bindingOf, type TopologyObject } from '../bus/topology.ts';
import { toBinding, type VirtualHost } from './virtual-host.ts';

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
      object: { type: 'exchange', name },
      properties: { type, durable: true, auto_delete: false, internal: false },
    })),
    queues: queues.map(({ name, arguments: given }) => ({
      object: { type: 'queue', name },
      properties: { durable: true, auto_delete: false, exclusive: false, ...given },
    })),
    bindings: [
      ...queues.flatMap(({ name, exchange, routingKeys }) => routingKeys.map((key) => bindingOf(name, exchange, key))),
      ...topology.bindings.map(({ queue, exchange, routingKey }) => bindingOf(queue, exchange, routingKey)),
    ].map(toBinding),
  };
}

/** Whether the object is a control queue or a binding of one. */
export function isOfControlQueue(object: TopologyObject): boolean {
  return instanceIdOf(object.type === 'binding' ? object.destination : object.name) !== undefined;
}

/** Whether a replica of user_backend made the queue for one of its connections. */
export function isReplicaQueue(queue: string): boolean {
  return queue.startsWith(replicaQueueName('')) && isUuid(queue.slice(replicaQueueName('').length));
}

function controlQueuesOf({ queues, bindings }: VirtualHost): ReturnType<typeof controlQueueOf>[] {
  return queues.flatMap(({ object: { name } }) => {
    const instanceId = instanceIdOf(name);
    if (instanceId === undefined) return [];
    // Only the database knows the agent of an instance, so a binding to any agent is accepted.
    const keys = bindings
      .filter(({ object }) => object.source === exchangeNames.agents && object.destination === name)
      .map(({ object }) => object.routingKey);
    const agentId = keys.find((key) => isUuid(key) && key !== instanceId) ?? '<agent_id>';
    return [controlQueueOf({ instanceId, agentId })];
  });
}

function instanceIdOf(queue: string): string | undefined {
  const id = queue.split('.')[1] ?? '';
  return queue === controlQueueName(id) && isUuid(id) ? id : undefined;
}
