import { nameOf, removalOf } from '../bus/topology.ts';
import { expectedVirtualHost, isOfControlQueue, isReplicaQueue } from './expected.ts';
import { compareObjects, inOrder, namesOf, noDetails, type Difference, type Finding } from './findings.ts';
import { policyDifferences } from './policies.ts';
import type { FoundObject, FoundVirtualHost, VirtualHost } from './virtual-host.ts';

interface Both {
  expected: VirtualHost;
  found: FoundVirtualHost;
}

/** Compares a virtual host with the contracts: its exchanges and queues, then policies, limits and bindings. */
export function compare(found: FoundVirtualHost): Finding[] {
  const both = { expected: expectedVirtualHost(found), found };
  const { expected } = both;
  const ours = namesOf([...expected.exchanges, ...expected.queues]);
  const isCompared = (object: FoundObject): boolean => isLasting(object) || ours.has(nameOf(object.object));
  const declared = [
    ...compareObjects(expected.exchanges, found.exchanges.filter(isCompared)),
    ...compareObjects(expected.queues, found.queues.filter(isCompared)),
  ];
  const different = new Set(declared.filter(({ kind }) => kind === 'different').map(({ object }) => nameOf(object)));
  return inOrder([
    ...declared,
    ...policyDifferences(both),
    ...limitDifferences(both),
    ...bindingDifferences(both, different),
  ]).map((difference) => ({ ...difference, wayOut: wayOutOf(difference) }));
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
      const kind = harmless ? 'extra' : 'different';
      return { ...noDetails, kind, object: { type: 'limit', name }, actual, harmless };
    });
}

/** @param different names of the objects with other properties: nothing can be bound to them as the contracts say */
function bindingDifferences({ expected, found }: Both, different: ReadonlySet<string>): Difference[] {
  const ours = namesOf([...expected.exchanges, ...expected.queues]);
  const temporary = namesOf(found.queues.filter((queue) => !isLasting(queue)));
  return compareObjects(expected.bindings, found.bindings).flatMap((difference) => {
    const { kind, object } = difference;
    const source = `exchange ${object.source}`;
    const destination = `${object.destinationType} ${object.destination}`;
    if (kind === 'missing') {
      const creatable = !isOfControlQueue(object) && !different.has(source) && !different.has(destination);
      return [{ ...difference, creatable }];
    }
    const isForeign = !ours.has(source) || temporary.has(destination);
    if (object.source === '' || (isForeign && !ours.has(destination))) return [];
    return [{ ...difference, harmless: !ours.has(destination) }];
  });
}

/** Leaves out the default exchange, `amq.…`, and queues that come and go with the connection that declared them. */
function isLasting({ object: { name }, properties }: FoundObject): boolean {
  return name !== '' && !name.startsWith('amq.') && properties['exclusive'] !== true && !isReplicaQueue(name);
}

/** Says what a person can do about a difference: `--apply` never deletes anything. */
function wayOutOf({ kind, object, harmless, creatable, policy }: Difference): string {
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
