import type { TopologyObject } from '../bus/topology.ts';
import type { Policy } from './virtual-host.ts';

/** One way in which RabbitMQ differs from the contracts. */
export interface Difference<Subject = TopologyObject> {
  kind: 'missing' | 'different' | 'extra';
  object: Subject;
  /** The attribute or argument that is `different`, e.g. `x-delivery-limit`. */
  property?: string;
  /** The value that the contracts say, as JSON; null for none. */
  catalog: unknown;
  /** The value that RabbitMQ has, as JSON; null for none. */
  actual: unknown;
  /** The policy that overrides the declared value. */
  policy?: Pick<Policy, 'kind' | 'name'>;
  /** The object belongs to somebody else, and does not change how the exchanges and queues of the contracts behave. */
  harmless: boolean;
  /** `--apply` can create the missing object: agents_worker does not make it, and its exchange and queue are as they should be. */
  creatable: boolean;
}

/** A difference with a sentence that says what a person can do about it. */
export interface Finding<Subject = TopologyObject> extends Difference<Subject> {
  wayOut: string;
}

/** Fields of a difference in which most differences agree. */
export const noDetails = { catalog: null, actual: null, harmless: false, creatable: false };
