import { isDeepStrictEqual } from 'node:util';
import { nameOf, type AccountObject, type TopologyObject } from '../bus/topology.ts';

type AnyObject = TopologyObject | AccountObject;

/** Attributes (`durable`, `type`, …) and arguments of a declaration, named as in RabbitMQ's own messages. */
export type Properties = Readonly<Record<string, unknown>>;

/** An object as RabbitMQ has it, or as the contracts declare it. */
export interface Declared<Subject extends AnyObject = TopologyObject> {
  object: Subject;
  properties: Properties;
  /** What a finding shows of an object that is missing or extra; its properties by default. */
  shown?: string;
}

/** One way in which RabbitMQ differs from the contracts. */
export interface Difference<Subject extends AnyObject = TopologyObject> {
  kind: 'missing' | 'different' | 'extra';
  object: Subject;
  /** The attribute or argument that is `different`, e.g. `x-delivery-limit`. */
  property?: string;
  /** The value that the contracts say, as JSON; null for none. */
  catalog: unknown;
  /** The value that RabbitMQ has, as JSON; null for none. */
  actual: unknown;
  /** The policy that overrides the declared value. */
  policy?: { kind: 'policy' | 'operator policy'; name: string };
  /** The object belongs to somebody else, and does not change how the exchanges and queues of the contracts behave. */
  harmless: boolean;
  /** `--apply` can create the missing object: agents_worker does not make it, and its exchange and queue are as they should be. */
  creatable: boolean;
}

/** A difference with a sentence that says what a person can do about it. */
export interface Finding<Subject extends AnyObject = TopologyObject> extends Difference<Subject> {
  wayOut: string;
}

export const noDetails = { catalog: null, actual: null, harmless: false, creatable: false };

/** Compares objects by their names, then the properties of those that are on both sides. */
export function compareObjects<Subject extends AnyObject>(
  expected: readonly Declared<Subject>[],
  found: readonly Declared<Subject>[],
): Difference<Subject>[] {
  const foundByName = new Map(found.map(({ object, properties }) => [nameOf(object), properties]));
  const expectedNames = namesOf(expected);
  return [
    ...expected.flatMap(({ object, properties, shown = properties }): Difference<Subject>[] => {
      const present = foundByName.get(nameOf(object));
      if (!present) return [{ ...noDetails, kind: 'missing', object, catalog: shown, creatable: true }];
      return [...new Set([...Object.keys(properties), ...Object.keys(present)])]
        .map((property) => ({ property, catalog: properties[property] ?? null, actual: present[property] ?? null }))
        .filter(({ catalog, actual }) => !isDeepStrictEqual(catalog, actual))
        .map((values) => ({ ...noDetails, kind: 'different', object, ...values }));
    }),
    ...found
      .filter(({ object }) => !expectedNames.has(nameOf(object)))
      .map(({ object, properties, shown = properties }): Difference<Subject> => {
        return { ...noDetails, kind: 'extra', object, actual: shown, harmless: true };
      }),
  ];
}

export function namesOf(declared: readonly Declared<AnyObject>[]): Set<string> {
  return new Set(declared.map(({ object }) => nameOf(object)));
}

/** Sorts differences: missing, different, extra. */
export function inOrder<Found extends Pick<Difference, 'kind'>>(differences: readonly Found[]): Found[] {
  return (['missing', 'different', 'extra'] as const).flatMap((kind) =>
    differences.filter((each) => each.kind === kind),
  );
}
