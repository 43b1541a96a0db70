import { removalOf, type TopologyObject } from '../bus/topology.ts';
import { isOfControlQueue } from './expected.ts';
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

/** Says what a person can do about a difference: `--apply` never deletes anything. */
export function wayOutOf({ kind, object, harmless, creatable, policy }: Difference): string {
  if (harmless && object.type === 'limit') return 'Nothing to do as long as it leaves room.';
  if (harmless) return 'Nothing to do; remove it if nobody uses it.';
  if (policy) {
    return (
      `The ${policy.kind} ${policy.name} sets it: leave this ${object.type} out of its pattern, or remove it with ` +
      `rabbitmqctl ${policy.kind === 'policy' ? 'clear_policy' : 'clear_operator_policy'}.`
    );
  }
  if (object.type === 'limit') {
    return 'Raise it with rabbitmqctl set_vhost_limits: each replica of user_backend and each agent that listens needs a queue and a connection.';
  }
  if (isOfControlQueue(object)) {
    return 'Stop the instance and start it again, which makes the queue anew; if there is no such instance, delete the queue.';
  }
  switch (kind) {
    case 'missing':
      return creatable
        ? 'Create it with --apply.'
        : 'Mend the queue or exchange that is different first, then create this with --apply.';
    case 'different':
      return `${removalOf(object)}, and create it anew with --apply; or use another virtual host.`;
    case 'extra':
      return 'Unbind it, or write it down in contracts/topology.ts.';
  }
}
