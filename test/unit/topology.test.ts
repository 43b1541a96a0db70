import { expect, test } from 'vitest';
import { controlQueueOf, deadLetterQueueOf, replicaQueueOf, topology } from '../../contracts/topology.ts';

const queue = (name: string) => topology.queues.find((candidate) => candidate.name === name);

test('the queues are those of the contract, bound to what the contract says', () => {
  const domain = topology.queues.filter(({ exchange }) => exchange === 'events.topic');
  expect(Object.fromEntries(domain.map(({ name, routingKeys }) => [name, routingKeys]))).toEqual({
    'agents_worker.instance': ['instance.*'],
    'agents_worker.agent': ['agent.*'],
    'agents_worker.rollout': ['rollout.*'],
    'agents_worker.deployment': ['deployment.*'],
    'user_backend.agent': ['agent.*'],
    'user_backend.ws_updates': ['instance.updated', 'instance.deleted'],
    'admin_backend.audit': ['agent.*', 'instance.*', 'rollout.*', 'deployment.*'],
  });
});

test('every queue is replicated and bounded', () => {
  for (const { arguments: given } of topology.queues) {
    expect(given).toMatchObject({ 'x-queue-type': 'quorum', 'x-max-length-bytes': expect.any(Number) as number });
  }
});

test('every queue with a consumer has a dead-letter queue of its own, declared before it', () => {
  const names = topology.queues.map(({ name }) => name);
  for (const { name, consumers, arguments: given } of topology.queues) {
    if (consumers.length === 0) continue;
    const letters = queue(deadLetterQueueOf(name));
    expect(given['x-dead-letter-exchange']).toBe(letters?.exchange);
    expect(letters?.routingKeys).toEqual([given['x-dead-letter-routing-key']]);
    expect(names.indexOf(deadLetterQueueOf(name))).toBeLessThan(names.indexOf(name));
    expect(given['x-delivery-limit']).toBeGreaterThanOrEqual(50);
  }
});

test('no exchange that a service may publish to leads into the dead letters of another', () => {
  for (const { exchange, queue: bound, routingKey } of topology.bindings) {
    if (!bound.endsWith('.dead')) continue;
    const consumers = queue(routingKey)?.consumers ?? [];
    expect(consumers.map((consumer) => `${consumer}.dead_letters`)).toEqual([exchange]);
    expect(bound).toBe(deadLetterQueueOf(routingKey));
  }
  expect(topology.bindings.filter(({ queue: bound }) => bound.endsWith('.dead'))).toHaveLength(7);
});

test('only the queues whose messages must not be lost refuse when they are full', () => {
  const domain = topology.queues.filter(({ consumers }) => consumers.length > 0);
  expect(Object.fromEntries(domain.map(({ name, arguments: given }) => [name, given['x-overflow']]))).toEqual({
    'agents_worker.instance': 'reject-publish',
    'agents_worker.agent': 'reject-publish',
    'agents_worker.rollout': 'reject-publish',
    'agents_worker.deployment': 'reject-publish',
    'user_backend.ws_updates': 'drop-head',
    'user_backend.agent': 'drop-head',
    'admin_backend.audit': 'drop-head',
  });
});

test('the queue of an instance gets commands to it and to all of its agent, is bounded, and goes when forgotten', () => {
  expect(controlQueueOf({ instanceId: 'one', agentId: 'its-agent' })).toMatchObject({
    name: 'instance.one.control',
    exchange: 'agents.direct',
    routingKeys: ['one', 'its-agent'],
    arguments: { 'x-max-length': 64, 'x-overflow': 'drop-head', 'x-expires': 86_400_000 },
  });
});

test('the queue of a replica gets what those that replicas share get, is bounded and replicated, and goes when left', () => {
  expect(replicaQueueOf('one')).toMatchObject({
    name: 'user_backend.replica.one',
    exchange: 'events.topic',
    routingKeys: ['instance.updated', 'instance.deleted', 'agent.published', 'agent.retired'],
    arguments: {
      'x-queue-type': 'quorum',
      'x-max-length-bytes': 64 * 1024 * 1024,
      'x-overflow': 'drop-head',
      'x-expires': 60_000,
    },
  });
});
