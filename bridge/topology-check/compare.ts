import { isDeepStrictEqual } from 'node:util';
import { nameOf, type Binding } from '../bus/topology.ts';
import { expectedVirtualHost, isOfControlQueue } from './expected.ts';
import { noDetails, wayOutOf, type Difference, type Finding } from './findings.ts';
import { policyDifferences } from './policies.ts';
import type { Declared, FoundVirtualHost, VirtualHost } from './virtual-host.ts';

interface Both {
  expected: VirtualHost;
  found: FoundVirtualHost;
}

/** Findings come in the order missing, different, extra, and within each of these: exchanges, queues, bindings. */
export function compare(found: FoundVirtualHost): Finding[] {
  const both = { expected: expectedVirtualHost(found), found };
  const declared = [...compareDeclared('exchange', both), ...compareDeclared('queue', both)];
  const different = new Set(declared.filter(({ kind }) => kind === 'different').map(({ object }) => nameOf(object)));
  const differences = [
    ...declared,
    ...changedByPolicies('exchange', both),
    ...changedByPolicies('queue', both),
    ...limitDifferences(both),
    ...missingBindings(both, different),
    ...extraBindings(both),
  ];
  return (['missing', 'different', 'extra'] as const)
    .flatMap((kind) => differences.filter((difference) => difference.kind === kind))
    .map((difference) => ({ ...difference, wayOut: wayOutOf(difference) }));
}

function compareDeclared(type: 'exchange' | 'queue', both: Both): Difference[] {
  const [expected, found] = [both.expected[`${type}s`], both.found[`${type}s`]];
  const propertiesFound = new Map(found.map(({ name, properties }) => [name, properties]));
  const expectedNames = namesOf(expected);
  return [
    ...expected.flatMap(({ name, properties }): Difference[] => {
      const object = { type, name };
      const actual = propertiesFound.get(name);
      if (actual === undefined)
        return [{ ...noDetails, kind: 'missing', object, catalog: properties, creatable: true }];
      return [...new Set([...Object.keys(properties), ...Object.keys(actual)])]
        .map((property) => ({ property, catalog: properties[property] ?? null, actual: actual[property] ?? null }))
        .filter((values) => !isDeepStrictEqual(values.catalog, values.actual))
        .map((values) => ({ ...noDetails, kind: 'different', object, ...values }));
    }),
    ...found
      .filter((declared) => !expectedNames.has(declared.name) && !isBuiltInOrTemporary(declared))
      .map(({ name, properties: actual }): Difference => {
        return { ...noDetails, kind: 'extra', object: { type, name }, actual, harmless: true };
      }),
  ];
}

function changedByPolicies(type: 'exchange' | 'queue', { expected, found }: Both): Difference[] {
  const foundByName = new Map(found[`${type}s`].map((declared) => [declared.name, declared]));
  return expected[`${type}s`].flatMap((declared) => {
    const sameName = foundByName.get(declared.name);
    return sameName ? policyDifferences({ type, expected: declared, found: sameName }, found.policies) : [];
  });
}

/**
 * One process of each service needs 8 connections together, and admin_backend one more while it looks at dead letters. Agents that
 * listen come on top.
 */
const neededConnections = 9;

/** Lists every limit of the virtual host; one that leaves enough room is harmless. */
function limitDifferences({ expected, found }: Both): Difference[] {
  const queueCount = namesOf([...expected.queues, ...found.queues]).size;
  // A negative limit limits nothing: https://www.rabbitmq.com/docs/vhosts#limits
  return Object.entries(found.limits)
    .filter(([, value]) => value >= 0)
    .map(([name, actual]) => {
      const needed = name === 'max-queues' ? queueCount + 1 : name === 'max-connections' ? neededConnections : 0;
      const harmless = actual >= needed;
      return {
        ...noDetails,
        kind: harmless ? 'extra' : 'different',
        object: { type: 'limit', name },
        actual,
        harmless,
      };
    });
}

/** @param different names of the objects with other properties: nothing can be bound to them as the contracts say */
function missingBindings({ expected, found }: Both, different: ReadonlySet<string>): Difference[] {
  const present = new Set(found.bindings.map(keyOf));
  return expected.bindings
    .filter((binding) => !present.has(keyOf(binding)))
    .map((binding) => {
      const object = { type: 'binding' as const, ...binding };
      const endpoints = [`exchange ${binding.source}`, `queue ${binding.destination}`];
      const creatable = !isOfControlQueue(object) && !endpoints.some((name) => different.has(name));
      return { ...noDetails, kind: 'missing', object, catalog: binding.routingKey, creatable };
    });
}

function extraBindings({ expected, found }: Both): Difference[] {
  const expectedKeys = new Set(expected.bindings.map(keyOf));
  const queues = namesOf(expected.queues);
  const exchanges = namesOf(expected.exchanges);
  const temporary = namesOf(found.queues.filter(isBuiltInOrTemporary));
  return found.bindings
    .filter((binding) => binding.source !== '' && !expectedKeys.has(keyOf(binding)))
    .flatMap((binding): Difference[] => {
      const { source, destination, destinationType, routingKey } = binding;
      const isOurs = (destinationType === 'queue' ? queues : exchanges).has(destination);
      const isForeign = !exchanges.has(source) || (destinationType === 'queue' && temporary.has(destination));
      if (!isOurs && isForeign) return [];
      const object = { type: 'binding' as const, ...binding };
      return [{ ...noDetails, kind: 'extra', object, actual: routingKey, harmless: !isOurs }];
    });
}

function namesOf(declared: readonly Declared[]): Set<string> {
  return new Set(declared.map(({ name }) => name));
}

function keyOf(binding: Binding): string {
  return nameOf({ type: 'binding', ...binding });
}

/** Covers the default exchange, `amq.…`, and queues that are deleted with the connection that declared them. */
function isBuiltInOrTemporary({ name, properties }: Declared): boolean {
  return name === '' || name.startsWith('amq.') || properties['exclusive'] === true;
}
