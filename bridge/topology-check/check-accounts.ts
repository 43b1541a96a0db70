import { z } from 'zod';
import { allPermissions, type Permissions } from '../../contracts/access.ts';
import { exchangeNames } from '../../contracts/names.ts';
import type { AccountObject } from '../bus/topology.ts';
import { compareObjects, inOrder, type Declared, type Difference, type Finding } from './findings.ts';
import { listOf, type ManagementOptions } from './management-api.ts';
import { matches } from './policies.ts';

export interface AccountsOptions extends ManagementOptions {
  /** Expected permissions by user; by default the accounts of the contracts. */
  accounts?: Readonly<Record<string, Permissions>>;
}

export type AccountFinding = Finding<AccountObject>;

const userEntry = z.object({ name: z.string(), tags: z.array(z.string()) });
const permissionsEntry = z.object({ user: z.string(), configure: z.string(), write: z.string(), read: z.string() });

/** Exchanges to which only one service may publish. */
const guarded = [exchangeNames.events, exchangeNames.agents];

/**
 * Compares the users of services and agents, and the permissions of every user in the virtual host, with `contracts/access.ts`.
 *
 * @throws Error that says which option to give, if they cannot be read
 */
export async function checkAccounts(options: AccountsOptions): Promise<AccountFinding[]> {
  const { accounts = allPermissions() } = options;
  const [users, permissions] = await Promise.all([
    listOf(options, 'users', userEntry),
    listOf(options, 'permissions', permissionsEntry),
  ]);
  const tagsOf = new Map(users.map(({ name, tags }) => [name, tags]));
  const differences = compareObjects(
    Object.entries(accounts).flatMap(([name, expected]) => [user(name, []), permissionsOf(name, expected)]),
    [
      ...users.filter(({ name }) => name in accounts).map(({ name, tags }) => user(name, tags)),
      ...permissions.map(({ user: name, ...found }) => permissionsOf(name, found)),
    ],
  );
  return inOrder(differences).map((difference) => {
    const misused = misusedBy(difference, tagsOf);
    const harmless = difference.harmless && misused.length === 0;
    return { ...difference, harmless, wayOut: wayOutOf(difference, misused) };
  });
}

function user(name: string, tags: readonly string[]): Declared<AccountObject> {
  return { object: { type: 'user', name }, properties: { tags }, shown: name };
}

function permissionsOf(name: string, properties: Permissions): Declared<AccountObject> {
  return { object: { type: 'permissions', name }, properties: { ...properties } };
}

/** The guarded exchanges that an extra account may publish to. An administrator may grant itself every right anyway. */
function misusedBy(
  { kind, object, actual }: Difference<AccountObject>,
  tagsOf: ReadonlyMap<string, readonly string[]>,
): string[] {
  if (kind !== 'extra' || tagsOf.get(object.name)?.includes('administrator')) return [];
  const { write } = actual as Permissions;
  // RabbitMQ's patterns match anywhere in a name, but an empty pattern matches nothing.
  return guarded.filter((exchange) => write !== '' && matches(write, exchange));
}

function wayOutOf({ kind, object: { type } }: Difference<AccountObject>, misused: readonly string[]): string {
  if (misused.length > 0) {
    return `Narrow what it may write: it can publish to ${misused.join(' and ')}, as only one service should.`;
  }
  if (kind === 'extra') return 'Nothing to do; remove them if nobody uses the account.';
  if (type === 'permissions') return 'Set them with --apply --accounts.';
  return kind === 'missing'
    ? 'Create it with --apply --accounts.'
    : 'Take the tags away with rabbitmqctl set_user_tags.';
}
