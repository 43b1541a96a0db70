import { expect, test } from 'vitest';
import { nodesOf } from '../../bridge/bus/cluster-nodes.ts';
import { withHostsInQuery } from '../../configuration/several-hosts.ts';

const nodes = (text: string): string[] =>
  nodesOf(withHostsInQuery(text))
    .map(({ href }) => href)
    .toSorted();

test('a URL may name several nodes, each with a port of its own', () => {
  expect(nodes('amqp://user:a%40b@one,two:5673,[::1]:5674/host%2Fname?heartbeat=5')).toEqual([
    'amqp://user:a%40b@[::1]:5674/host%2Fname?heartbeat=5',
    'amqp://user:a%40b@one/host%2Fname?heartbeat=5',
    'amqp://user:a%40b@two:5673/host%2Fname?heartbeat=5',
  ]);
  expect(nodes('amqps://one:5671,two')).toEqual(['amqps://one:5671', 'amqps://two']);
});

test('a comma in a password, a virtual host or the query separates no hosts', () => {
  for (const url of ['amqp://user:a,b@one:5672/', 'amqp://one/a,b', 'amqp://one/?cacertfile=a,b']) {
    expect(withHostsInQuery(url)).toBe(url);
    expect(nodesOf(url).map(({ host }) => host)).toEqual([new URL(url).host]);
  }
});

test('the first node is what readers of the URL see', () => {
  const url = new URL(withHostsInQuery('amqp://user:secret@one:5673,two/host'));
  expect([url.host, url.username, url.password, url.pathname]).toEqual(['one:5673', 'user', 'secret', '/host']);
});

test('connections are spread over the nodes, and each is tried', () => {
  const url = withHostsInQuery('amqp://one,two,three');
  const orders = Array.from({ length: 200 }, () => nodesOf(url).map(({ hostname }) => hostname));
  expect(new Set(orders.map(([first]) => first))).toEqual(new Set(['one', 'two', 'three']));
  for (const order of orders) expect(order.toSorted()).toEqual(['one', 'three', 'two']);
});

test('what is no list of hosts stays as it is', () => {
  for (const text of [
    'amqp://one,',
    'amqp://,one',
    'amqp://one,,two',
    'amqp://one,two:x',
    'http://one,two',
    'one,two',
  ]) {
    expect(withHostsInQuery(text)).toBe(text);
  }
});
