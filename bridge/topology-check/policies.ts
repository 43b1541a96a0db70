import { z } from 'zod';
import type { Difference } from './compare.ts';
import { listOf, type ManagementOptions } from './management-api.ts';
import type { Declared, Properties } from './read-virtual-host.ts';

/** What administrators set over queues and exchanges: https://www.rabbitmq.com/docs/policies */
export interface Policy {
  kind: 'policy' | 'operator policy';
  name: string;
  pattern: string;
  applyTo: string;
  priority: number;
  definition: Properties;
}

const policy = z.object({
  name: z.string(),
  pattern: z.string(),
  'apply-to': z.string(),
  priority: z.number(),
  definition: z.record(z.string(), z.unknown()),
});

/** @throws Error that says which option to give */
export async function readPolicies(options: ManagementOptions): Promise<Policy[]> {
  const read = async (list: 'policies' | 'operator-policies', kind: Policy['kind']): Promise<Policy[]> => {
    const found = await listOf(options, list, policy);
    return found.map(({ 'apply-to': applyTo, ...rest }) => ({ kind, applyTo, ...rest }));
  };
  const both = await Promise.all([read('policies', 'policy'), read('operator-policies', 'operator policy')]);
  return both.flat();
}

interface Subject {
  type: 'exchange' | 'queue';
  wanted: Declared;
  /** As RabbitMQ has it. */
  found: Declared;
}

/** Settings of policies that make the bus lose, expire, remove or reroute what the catalog says it keeps. */
export function policyDifferences({ type, wanted, found }: Subject, policies: readonly Policy[]): Difference[] {
  const applied = appliedTo(type, found, policies);
  return (type === 'queue' ? effectsOnQueue(wanted, applied) : effectsOnExchange(applied)).map((effect) => ({
    kind: 'different',
    object: { type, name: wanted.name },
    harmless: false,
    creatable: false,
    ...effect,
  }));
}

type Effect = Required<Pick<Difference, 'property' | 'catalog' | 'actual' | 'policy'>>;

/** At most one of each kind. RabbitMQ names the policy; which operator policy applies, release 3.10 leaves to be found out. */
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
    // RabbitMQ applies no policy that has a setting for other types of queues.
    .filter(({ definition }) => queueType === 'quorum' || definition['delivery-limit'] === undefined)
    .toSorted((one, other) => other.priority - one.priority);
  return type === 'queue' && ofOperator ? [...ofUser, ofOperator] : ofUser;
}

/** A pattern that cannot be read here counts as one that matches. */
function matches(pattern: string, name: string): boolean {
  try {
    return new RegExp(pattern).test(name);
  } catch {
    return true;
  }
}

/** Of these, the lowest of argument, policy and operator policy counts. */
const limits = ['max-length', 'max-length-bytes', 'message-ttl', 'expires'];
/** Of these, the argument counts where the queue has one. */
const underArguments = ['dead-letter-exchange', 'dead-letter-routing-key'];
/** Brings in messages of another broker. */
const federation = ['federation-upstream', 'federation-upstream-set', 'federation-upstream-pattern'];

function effectsOnQueue({ properties }: Declared, applied: readonly Policy[]): Effect[] {
  const isQuorum = properties['x-queue-type'] === 'quorum';
  const argumentOf = (key: string): unknown => properties[`x-${key}`] ?? null;
  const settings = [...limits, ...(isQuorum ? ['delivery-limit'] : [])].flatMap((key) => {
    const [lowest] = settingsOf(key, applied).toSorted((one, other) => Number(one.value) - Number(other.value));
    const argument = argumentOf(key);
    return lowest && (argument === null || Number(lowest.value) < Number(argument)) ? [{ key, ...lowest }] : [];
  });
  const replaced = [...underArguments, ...federation].flatMap((key) =>
    argumentOf(key) === null
      ? settingsOf(key, applied)
          .slice(-1)
          .map((setting) => ({ key, ...setting }))
      : [],
  );
  // The policy counts in quorum queues, the argument in classic ones.
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

/** The operator's last. */
function settingsOf(key: string, applied: readonly Policy[]): { value: unknown; policy: Effect['policy'] }[] {
  return applied.flatMap(({ kind, name, definition }) =>
    definition[key] === undefined ? [] : [{ value: definition[key], policy: { kind, name } }],
  );
}
