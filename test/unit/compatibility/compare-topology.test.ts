import { expect, test } from 'vitest';
import { compareTopology } from '../../../tools/contracts/compatibility/compare-topology.ts';
import { topology } from '../../../contracts/topology.ts';

const events = { name: 'events', type: 'topic', purpose: 'Events.' };
const work = {
  name: 'app.work',
  exchange: 'events',
  routingKeys: ['a.*', 'b.*'],
  consumers: ['app'],
  arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 50 },
};
const before = { exchanges: [events, { ...events, name: 'more' }], queues: [work] };
const withQueue = (changes: object) => ({ ...before, queues: [{ ...work, ...changes }] });
const withArguments = (changes: object) => withQueue({ arguments: { ...work.arguments, ...changes } });
const withExchanges = (...exchanges: object[]) => ({ ...before, exchanges });

test('the order of a topology makes no difference', () => {
  const { exchanges, queues, bindings } = topology;
  const turned = { bindings: bindings.toReversed(), queues: queues.toReversed(), exchanges: exchanges.toReversed() };
  expect(compareTopology(topology, JSON.parse(JSON.stringify(turned)) as typeof turned)).toEqual([]);
});

test('prose is ignored', () => {
  const [, more = events] = before.exchanges;
  expect(compareTopology(before, withExchanges({ ...events, purpose: 'Other.' }, more))).toEqual([]);
});

const refused = 'RabbitMQ refuses other values for what exists: give the';
const [, more = events] = before.exchanges;
const queue = 'queues(app.work)';

test.each([
  [
    'the type of an exchange',
    withExchanges({ ...events, type: 'direct' }, more),
    'exchanges(events).type',
    `was "topic" and is "direct" now: ${refused} exchange another name`,
  ],
  [
    'a removed exchange',
    withExchanges(events),
    'exchanges(more)',
    'is gone: whoever uses this exchange no longer gets',
  ],
  ['a removed queue', { ...before, queues: [] }, queue, 'is gone: whoever uses this queue no longer gets'],
  [
    'a changed argument',
    withArguments({ 'x-delivery-limit': 100 }),
    `${queue}.arguments.x-delivery-limit`,
    `was 50 and is 100 now: ${refused} queue another name, or raise the version and migrate`,
  ],
  ['a new argument', withArguments({ 'x-expires': 1 }), `${queue}.arguments.x-expires`, 'was not set and is 1 now'],
  [
    'a removed argument',
    withArguments({ 'x-delivery-limit': undefined }),
    `${queue}.arguments.x-delivery-limit`,
    'was 50 and is not set now',
  ],
  [
    'another exchange of a queue',
    withQueue({ exchange: 'more' }),
    `${queue}.exchange`,
    'was "events" and is "more" now: consumers no longer get',
  ],
  [
    'a removed binding',
    withQueue({ routingKeys: ['a.*'] }),
    `${queue}.routingKeys(b.*)`,
    'is gone: consumers no longer get b.*',
  ],
  ['another consumer', withQueue({ consumers: ['other'] }), `${queue}.consumers`, 'was ["app"] and is ["other"] now'],
  ['a property that is not known', withQueue({ durable: false }), `${queue}.durable`, 'was not set and is false now'],
  [
    'a part that is not known',
    { ...before, policies: [] },
    'policies',
    'was not set and is [] now: it cannot be judged, so it counts as breaking',
  ],
])('breaking: %s', (_what, after, path, sentence) => {
  expect(compareTopology(before, after)).toEqual([
    { path, kind: 'breaking', sentence: expect.stringContaining(`\`${path}\` ${sentence}`) as string },
  ]);
});

const further = { exchange: 'more', queue: 'app.work', routingKey: 'a' };

test('a further binding that is gone, or differs in anything, is breaking', () => {
  const withBinding = (changes: object) => ({ ...before, bindings: [{ ...further, ...changes }] });
  expect(compareTopology(withBinding({}), before)).toMatchObject([
    { kind: 'breaking', path: 'bindings(more → app.work by "a")' },
  ]);
  for (const changes of [{ routingKey: 'b' }, { exchange: 'events' }, { queue: 'other' }, { arguments: { x: 1 } }]) {
    const kinds = compareTopology(withBinding({}), withBinding(changes)).map(({ kind }) => kind);
    expect({ changes, kinds }).toEqual({ changes, kinds: ['breaking', 'compatible'] });
  }
});

test.each([
  ['further binding', { ...before, bindings: [further] }, 'bindings(more → app.work by "a")', 'is a new binding'],
  ['exchange', withExchanges(events, more, { ...events, name: 'new' }), 'exchanges(new)', 'is a new exchange'],
  ['queue', { ...before, queues: [work, { ...work, name: 'new' }] }, 'queues(new)', 'is a new queue'],
  ['binding', withQueue({ routingKeys: ['c.*', 'a.*', 'b.*'] }), `${queue}.routingKeys(c.*)`, 'is a new binding'],
])('a new %s is compatible', (_what, after, path, sentence) => {
  expect(compareTopology(before, after)).toEqual([
    { path, kind: 'compatible', sentence: expect.stringContaining(sentence) as string },
  ]);
});
