import { noDetails, type Declared, type Difference } from './findings.ts';
import type { FoundObject, FoundVirtualHost, Policy, VirtualHost } from './virtual-host.ts';

/** Settings of policies that make RabbitMQ drop, expire or reroute messages which the contracts say it keeps. */
export function policyDifferences({
  expected,
  found: { exchanges, queues, policies },
}: {
  expected: VirtualHost;
  found: FoundVirtualHost;
}): Difference[] {
  return [
    ...expected.exchanges.flatMap((declared) => differencesOf(declared, exchanges, policies)),
    ...expected.queues.flatMap((declared) => differencesOf(declared, queues, policies)),
  ];
}

/** RabbitMQ takes the lowest value of argument, policy and operator policy. */
const lowestWins = ['max-length', 'max-length-bytes', 'message-ttl', 'expires', 'delivery-limit'];
/** Federation brings messages of another broker in. */
const federation = ['federation-upstream', 'federation-upstream-set', 'federation-upstream-pattern'];
const settingsOf = {
  queue: [...lowestWins, 'dead-letter-exchange', 'dead-letter-routing-key', ...federation, 'overflow'],
  exchange: ['alternate-exchange', ...federation],
};

function differencesOf(
  { object, properties }: Declared<FoundObject['object']>,
  candidates: readonly FoundObject[],
  policies: readonly Policy[],
): Difference[] {
  const found = candidates.find((candidate) => candidate.object.name === object.name);
  const applied = found ? appliedTo(found, policies) : [];
  const isQuorum = properties['x-queue-type'] === 'quorum';
  return settingsOf[object.type].flatMap((property) => {
    const catalog = properties[`x-${property}`] ?? null;
    const setting = effectiveSetting(property, applied);
    if (!setting || !overrides(property, setting.actual, catalog, isQuorum)) return [];
    return [{ ...noDetails, kind: 'different', object, property, catalog, ...setting }];
  });
}

/** The value that policies give a setting, and the policy that gives it. */
function effectiveSetting(property: string, applied: readonly Policy[]) {
  const settings = applied
    .filter(({ definition }) => definition[property] !== undefined)
    .map(({ kind, name, definition }) => ({ actual: definition[property], policy: { kind, name } }));
  if (!lowestWins.includes(property)) return settings.at(-1);
  return settings.toSorted((one, other) => Number(one.actual) - Number(other.actual))[0];
}

/** Whether RabbitMQ prefers the value of a policy to the argument of the declaration. */
function overrides(property: string, value: unknown, argument: unknown, isQuorum: boolean): boolean {
  if (property === 'delivery-limit' && !isQuorum) return false;
  if (lowestWins.includes(property)) return argument === null || Number(value) < Number(argument);
  // In quorum queues the policy wins, in classic queues the argument.
  if (property === 'overflow') return isQuorum && value !== (argument ?? 'drop-head');
  return argument === null;
}

/**
 * At most one policy of each kind applies; the operator policy comes last. RabbitMQ names the policy, but RabbitMQ 3.10 does not name
 * the operator policy.
 */
function appliedTo({ object: { type, name }, properties, policyName }: FoundObject, policies: readonly Policy[]) {
  const ofUser = policies.filter(({ kind, name: candidate }) => kind === 'policy' && candidate === policyName);
  if (type === 'exchange') return ofUser;
  const queueType = properties['x-queue-type'] === 'quorum' ? 'quorum' : 'classic';
  const targets = new Set(['all', 'queues', `${queueType}_queues`]);
  const ofOperator = policies
    .filter(({ kind, applyTo }) => kind === 'operator policy' && targets.has(applyTo))
    .filter(({ pattern }) => matches(pattern, name))
    // RabbitMQ ignores a policy with a setting that the type of the queue does not support.
    .filter(({ definition }) => queueType === 'quorum' || definition['delivery-limit'] === undefined)
    .toSorted((one, other) => other.priority - one.priority);
  return [...ofUser, ...ofOperator.slice(0, 1)];
}

/** Whether a pattern of RabbitMQ matches anywhere in a name. One that JavaScript cannot compile counts as matching. */
export function matches(pattern: string, name: string): boolean {
  try {
    return new RegExp(pattern).test(name);
  } catch {
    return true;
  }
}
