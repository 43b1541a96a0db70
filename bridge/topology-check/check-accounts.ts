import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { allPermissions, type Permissions } from '../../contracts/access.ts';
import { exchangeNames } from '../../contracts/names.ts';
import type { AccountObject } from '../bus/topology.ts';
import { noDetails, type Finding } from './findings.ts';
import { listOf, type ManagementOptions } from './management-api.ts';

export interface AccountsOptions extends ManagementOptions {
  /** Expected permissions by user; by default the accounts of the contracts. */
  accounts?: Readonly<Record<string, Permissions>>;
}

export type AccountFinding = Finding<AccountObject>;

const user = z.object({ name: z.string(), tags: z.array(z.string()) });
const right = z.object({ user: z.string(), configure: z.string(), write: z.string(), read: z.string() });

/** Exchanges to which only one service may publish. */
const guarded = [exchangeNames.events, exchangeNames.agents];

/**
 * Compares the users of services and agents, and the permissions of every user in the virtual host, with `contracts/access.ts`.
 *
 * @throws Error that says which option to give, if they cannot be read
 */
export async function checkAccounts(options: AccountsOptions): Promise<AccountFinding[]> {
  const { accounts = allPermissions() } = options;
  const [users, rights] = await Promise.all([listOf(options, 'users', user), listOf(options, 'permissions', right)]);
  const tagsOf = new Map(users.map(({ name, tags }) => [name, tags]));
  const rightsOf = new Map(rights.map(({ user: name, ...permissions }) => [name, permissions]));
  const expected = Object.entries(accounts);
  return [
    ...expected.flatMap(([name, permissions]): AccountFinding[] => [
      ...(tagsOf.has(name) ? [] : [missing({ type: 'user', name }, name)]),
      ...(rightsOf.has(name) ? [] : [missing({ type: 'permissions', name }, permissions)]),
    ]),
    ...expected.flatMap(([name, permissions]) => [
      ...different({ type: 'user', name }, { tags: [] }, tagsOf.has(name) && { tags: tagsOf.get(name) }),
      ...different({ type: 'permissions', name }, permissions, rightsOf.get(name)),
    ]),
    ...rights
      .filter(({ user: name }) => !(name in accounts))
      .map(({ user: name, ...permissions }) => extra(name, permissions, tagsOf.get(name) ?? [])),
  ];
}

function missing(object: AccountObject, catalog: unknown): AccountFinding {
  const wayOut = `${object.type === 'user' ? 'Create it' : 'Set them'} with --apply --accounts.`;
  return { ...noDetails, kind: 'missing', object, catalog, creatable: true, wayOut };
}

function different(object: AccountObject, catalog: object, actual: object | false | undefined): AccountFinding[] {
  if (!actual) return [];
  const wayOut =
    object.type === 'user' ? 'Take the tags away with rabbitmqctl set_user_tags.' : 'Set them with --apply --accounts.';
  return Object.entries(catalog)
    .map(([property, value]) => ({
      property,
      catalog: value as unknown,
      actual: Reflect.get(actual, property) as unknown,
    }))
    .filter((values) => !isDeepStrictEqual(values.catalog, values.actual))
    .map((values) => ({ ...noDetails, kind: 'different', object, ...values, wayOut }));
}

/** An administrator is always harmless: it may grant itself every right anyway. */
function extra(name: string, permissions: Permissions, tags: readonly string[]): AccountFinding {
  const published = tags.includes('administrator')
    ? []
    : guarded.filter((exchange) => covers(permissions.write, exchange));
  return {
    ...noDetails,
    kind: 'extra',
    object: { type: 'permissions', name },
    actual: permissions,
    harmless: published.length === 0,
    wayOut:
      published.length === 0
        ? 'Nothing to do; remove them if nobody uses the account.'
        : `Narrow what it may write: it can publish to ${published.join(' and ')}, as only one service should.`,
  };
}

/**
 * RabbitMQ's patterns match anywhere in a name, but an empty pattern matches nothing. A pattern that JavaScript cannot compile
 * counts as matching.
 */
function covers(pattern: string, name: string): boolean {
  if (pattern === '') return false;
  try {
    return new RegExp(pattern).test(name);
  } catch {
    return true;
  }
}
