import { expect, test } from 'vitest';
import { accountNames, permissionsOf } from '../../contracts/access.ts';
import { controlQueueName } from '../../contracts/names.ts';

const whoMay = (right: 'configure' | 'write' | 'read', name: string): string[] =>
  accountNames.filter((account) => new RegExp(permissionsOf(account)[right]).test(name));

test('each exchange has the writers that the contract says', () => {
  expect(whoMay('write', 'events.topic')).toEqual(['event_broker']);
  expect(whoMay('write', 'agents.direct')).toEqual(['agents_worker']);
  expect(whoMay('write', 'events.dead_letters')).toEqual(['event_broker']);
  expect(whoMay('write', 'events.sent_again')).toEqual(['admin_backend']);
  for (const service of ['agents_worker', 'user_backend', 'admin_backend', 'deployer']) {
    expect(whoMay('write', `${service}.dead_letters`)).toEqual([service]);
  }
  // Through it, anybody could put anything into every queue.
  expect(whoMay('write', 'amq.default')).toEqual([]);
});

test('a right is to the whole of a name, in which a dot is a dot and a star one part', () => {
  const id = '5c8f2b1e-93a4-4a58-9d53-0f1d7b6c2a10';
  expect(whoMay('read', controlQueueName(id))).toEqual(['agents']);
  const others = [
    `x${controlQueueName(id)}`,
    `${controlQueueName(id)}.dead`,
    controlQueueName('a.b'),
    'instance..control',
  ];
  expect(others.flatMap((name) => whoMay('read', name))).toEqual([]);
  expect(whoMay('write', 'eventsXtopic')).toEqual([]);
});

test('agents may do nothing but read', () => {
  expect(permissionsOf('agents')).toMatchObject({ configure: '^$', write: '^$' });
});
