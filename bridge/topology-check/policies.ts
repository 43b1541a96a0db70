import type { Difference } from './findings.ts';
import type { Declared, Policy } from './virtual-host.ts';

interface Subject {
  type: 'exchange' | 'queue';
  expected: Declared;
  found: Declared;
}

/** Settings of policies that make RabbitMQ drop, expire or reroute messages which the contracts say it keeps. */
export function policyDifferences({ type, expected, found }: Subject, policies: readonly Policy[]): Difference[] {
  const applied = appliedTo(type, found, policies);
  return (type === 'queue' ? effectsOnQueue(expected, applied) : effectsOnExchange(applied)).map((effect) => ({
    kind: 'different',
    object: { type, name: expected.name },
    harmless: false,
    creatable: false,
    ...effect,
  }));
}

type Effect = Required<Pick<Difference, 'property' | 'catalog' | 'actual' | 'policy'>>;

/** At most one policy of each kind applies. RabbitMQ names the policy, but RabbitMQ 3.10 does not name the operator policy. */
function appliedTo(
  type: Subject['type'],
  { name, properties, policyName }: Declared,
  policies: readonly Policy[],
): Policy[] {
  const ofUser = policies.filter(({ kind, name: candidate }) => kind === 'policy' && candidate === policyName);
  const queueType = properties['x-queue-type'] === 'quorum' ? 'quorum' : 'classic';
  const targets = new Set(['all', 'queues', `${queueType}_queues`]);
  const [ofOperator] = policies
    .filter(
      ({ kind, applyTo, pattern }) => kind === 'operator policy' && targets.has(applyTo) && matches(pattern, name),
    )
    // RabbitMQ ignores a policy with a setting that the type of the queue does not support.
    .filter(({ definition }) => queueType === 'quorum' || definition['delivery-limit'] === undefined)
    .toSorted((one, other) => other.priority - one.priority);
  return type === 'queue' && ofOperator ? [...ofUser, ofOperator] : ofUser;
}

/** A pattern of RabbitMQ that JavaScript cannot compile counts as matching. */
function matches(pattern: string, name: string): boolean {
  try {
    return new RegExp(pattern).test(name);
  } catch {
    return true;
  }
}

/** RabbitMQ takes the lowest value of argument, policy and operator policy. */
const lowestWins = ['max-length', 'max-length-bytes', 'message-ttl', 'expires'];
/** RabbitMQ prefers the argument of the queue to the policy. */
const argumentWins = ['dead-letter-exchange', 'dead-letter-routing-key'];
/** Federation brings messages of another broker in. */
const federation = ['federation-upstream', 'federation-upstream-set', 'federation-upstream-pattern'];

function effectsOnQueue({ properties }: Declared, applied: readonly Policy[]): Effect[] {
  const isQuorum = properties['x-queue-type'] === 'quorum';
  const argumentOf = (key: string): unknown => properties[`x-${key}`] ?? null;
  const settings = [...lowestWins, ...(isQuorum ? ['delivery-limit'] : [])].flatMap((key) => {
    const [lowest] = settingsOf(key, applied).toSorted((one, other) => Number(one.value) - Number(other.value));
    const argument = argumentOf(key);
    return lowest && (argument === null || Number(lowest.value) < Number(argument)) ? [{ key, ...lowest }] : [];
  });
  const replaced = [...argumentWins, ...federation].flatMap((key) =>
    argumentOf(key) === null
      ? settingsOf(key, applied)
          .slice(-1)
          .map((setting) => ({ key, ...setting }))
      : [],
  );
  // In quorum queues the policy wins, in classic queues the argument.
  const overflow = settingsOf('overflow', applied)
    .slice(-1)
    .map((setting) => ({ key: 'overflow', ...setting }));
  const changesOverflow = overflow.filter(({ value }) => isQuorum && value !== (argumentOf('overflow') ?? 'drop-head'));
  return [...settings, ...replaced, ...changesOverflow].map(({ key, value, policy: by }) => ({
    property: key,
    catalog: argumentOf(key),
    actual: value,
    policy: by,
  }));
}

function effectsOnExchange(applied: readonly Policy[]): Effect[] {
  return ['alternate-exchange', ...federation].flatMap((key) =>
    settingsOf(key, applied).map(({ value, policy: by }) => ({
      property: key,
      catalog: null,
      actual: value,
      policy: by,
    })),
  );
}

/** The values of a setting; that of the operator policy comes last. */
function settingsOf(key: string, applied: readonly Policy[]): { value: unknown; policy: Effect['policy'] }[] {
  return applied.flatMap(({ kind, name, definition }) =>
    definition[key] === undefined ? [] : [{ value: definition[key], policy: { kind, name } }],
  );
}
