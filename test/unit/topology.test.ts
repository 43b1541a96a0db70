import { expect, test } from 'vitest';
import { deadLetterQueueOf, topology } from '../../contracts/topology.ts';

const queue = (name: string) => topology.queues.find((candidate) => candidate.name === name);

test('the queues are those of the contract, bound to what the contract says', () => {
  const domain = topology.queues.filter(({ exchange }) => exchange === 'events.topic');
  expect(Object.fromEntries(domain.map(({ name, routingKeys }) => [name, routingKeys]))).toEqual({
    'agents_worker.instance': ['instance.*'],
    'user_backend.ws_updates': ['instance.updated', 'instance.deleted'],
    'admin_backend.audit': ['agent.*', 'instance.*'],
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

test('only the queue whose messages must not be lost refuses when it is full', () => {
  const overflow = (name: string) => queue(name)?.arguments['x-overflow'];
  expect(overflow('agents_worker.instance')).toBe('reject-publish');
  expect(overflow('user_backend.ws_updates')).toBe('drop-head');
  expect(overflow('admin_backend.audit')).toBe('drop-head');
});
