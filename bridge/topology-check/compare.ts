import { isDeepStrictEqual } from 'node:util';
import { nameOf, type Binding, type TopologyObject } from '../bus/topology.ts';
import { catalogFor, isOfControlQueue } from './catalog.ts';
import { limitDifferences } from './limits.ts';
import { policyDifferences, type Policy } from './policies.ts';
import type { Declared, FoundVirtualHost, VirtualHost } from './read-virtual-host.ts';
import { wayOutOf } from './way-out.ts';

export interface Difference<Subject = TopologyObject> {
  kind: 'missing' | 'different' | 'extra';
  object: Subject;
  /** The attribute or argument that is `different`, e.g. `x-delivery-limit`. */
  property?: string;
  /** What the catalog says, as JSON; null: nothing. */
  catalog: unknown;
  /** What RabbitMQ has, as JSON; null: nothing. */
  actual: unknown;
  /** That makes it different from what was declared. */
  policy?: Pick<Policy, 'kind' | 'name'>;
  /** Foreign, and changes nothing of what the catalog's exchanges and queues do. */
  harmless: boolean;
  /** Missing, not the engine's to make, and nothing that it hangs on is different. */
  creatable: boolean;
}

export interface Finding<Subject = TopologyObject> extends Difference<Subject> {
  /** What to do, in a sentence. */
  wayOut: string;
}

export const plain = { catalog: null, actual: null, harmless: false, creatable: false };

/** In the order missing, different, extra; within each exchanges, queues, bindings. */
export function compare(found: FoundVirtualHost): Finding[] {
  const catalog = catalogFor(found);
  const declared = [
    ...compareDeclared('exchange', catalog.exchanges, found.exchanges),
    ...compareDeclared('queue', catalog.queues, found.queues),
  ];
  const different = new Set(declared.filter(({ kind }) => kind === 'different').map(({ object }) => nameOf(object)));
  const differences = [
    ...declared,
    ...changedByPolicies('exchange', catalog.exchanges, found.exchanges, found.policies),
    ...changedByPolicies('queue', catalog.queues, found.queues, found.policies),
    ...limitDifferences(found.limits, new Set([...catalog.queues, ...found.queues].map(({ name }) => name)).size),
    ...missingBindings({ catalog, found, different }),
    ...extraBindings({ catalog, found }),
  ];
  return (['missing', 'different', 'extra'] as const)
    .flatMap((kind) => differences.filter((difference) => difference.kind === kind))
    .map((difference) => ({ ...difference, wayOut: wayOutOf(difference) }));
}

function compareDeclared(
  type: 'exchange' | 'queue',
  catalog: readonly Declared[],
  found: readonly Declared[],
): Difference[] {
  const present = new Map(found.map(({ name, properties }) => [name, properties]));
  const wanted = new Set(catalog.map(({ name }) => name));
  return [
    ...catalog.flatMap(({ name, properties }): Difference[] => {
      const object = { type, name };
      const actual = present.get(name);
      if (actual === undefined) return [{ ...plain, kind: 'missing', object, catalog: properties, creatable: true }];
      return [...new Set([...Object.keys(properties), ...Object.keys(actual)])]
        .map((property) => ({ property, catalog: properties[property] ?? null, actual: actual[property] ?? null }))
        .filter((values) => !isDeepStrictEqual(values.catalog, values.actual))
        .map((values) => ({ ...plain, kind: 'different', object, ...values }));
    }),
    ...found
      .filter((declared) => !wanted.has(declared.name) && !isBuiltInOrTemporary(declared))
      .map(({ name, properties }) => ({
        ...plain,
        kind: 'extra' as const,
        object: { type, name },
        actual: properties,
        harmless: true,
      })),
  ];
}

function changedByPolicies(
  type: 'exchange' | 'queue',
  catalog: readonly Declared[],
  found: readonly Declared[],
  policies: readonly Policy[],
): Difference[] {
  const present = new Map(found.map((declared) => [declared.name, declared]));
  return catalog.flatMap((wanted) => {
    const declared = present.get(wanted.name);
    return declared ? policyDifferences({ type, wanted, found: declared }, policies) : [];
  });
}

interface Both {
  catalog: VirtualHost;
  found: VirtualHost;
}

function missingBindings({ catalog, found, different }: Both & { different: ReadonlySet<string> }): Difference[] {
  const present = new Set(found.bindings.map(keyOf));
  return catalog.bindings
    .filter((binding) => !present.has(keyOf(binding)))
    .map((binding) => {
      const object = { type: 'binding' as const, ...binding };
      const hangsOn = [`exchange ${binding.source}`, `queue ${binding.destination}`];
      const creatable = !isOfControlQueue(object) && !hangsOn.some((name) => different.has(name));
      return { ...plain, kind: 'missing', object, catalog: binding.routingKey, creatable };
    });
}

function extraBindings({ catalog, found }: Both): Difference[] {
  const wanted = new Set(catalog.bindings.map(keyOf));
  const queues = new Set(catalog.queues.map(({ name }) => name));
  const exchanges = new Set(catalog.exchanges.map(({ name }) => name));
  const temporary = new Set(found.queues.filter(isBuiltInOrTemporary).map(({ name }) => name));
  return found.bindings
    .filter((binding) => binding.source !== '' && !wanted.has(keyOf(binding)))
    .flatMap((binding): Difference[] => {
      const { source, destination, destinationType, routingKey } = binding;
      const isOurs = (destinationType === 'queue' ? queues : exchanges).has(destination);
      const isForeign = !exchanges.has(source) || (destinationType === 'queue' && temporary.has(destination));
      if (!isOurs && isForeign) return [];
      const object = { type: 'binding' as const, ...binding };
      return [{ ...plain, kind: 'extra', object, actual: routingKey, harmless: !isOurs }];
    });
}

function keyOf(binding: Binding): string {
  return nameOf({ type: 'binding', ...binding });
}

/** The default exchange, `amq.…`, and what goes with the connection that made it. */
function isBuiltInOrTemporary({ name, properties }: Declared): boolean {
  return name === '' || name.startsWith('amq.') || properties['exclusive'] === true;
}
