import { allPermissions, type Permissions } from '../../contracts/access.ts';
import type { AccountObject } from '../bus/topology.ts';
import { checkAccounts, type AccountFinding, type AccountsOptions } from './check-accounts.ts';
import { putPermissions, putUser } from './set-account.ts';

export interface ApplyAccountsOptions extends AccountsOptions {
  /** Passwords of users that may have to be created, by user name. */
  passwords: Readonly<Record<string, string | undefined>>;
  passwordSetting: (name: string) => string;
  onCreated: (object: AccountObject) => void;
  onChanged: (change: ChangedPermissions) => void;
}

export interface ChangedPermissions {
  object: AccountObject;
  properties: { property: keyof Permissions; before: string; after: string }[];
}

/**
 * Creates missing users, and gives each account of the contracts exactly its permissions. Other accounts, passwords and tags
 * are not changed, and nothing is deleted.
 *
 * @returns the remaining differences
 * @throws Error that names every missing password, before anything is created; or that says which option to give
 */
export async function applyAccounts(options: ApplyAccountsOptions): Promise<AccountFinding[]> {
  const { accounts = allPermissions(), passwords, passwordSetting, onCreated, onChanged } = options;
  const found = await checkAccounts(options);
  const absent = found.filter(({ creatable }) => creatable).map(({ object }) => object);
  const unset = absent.filter(({ type, name }) => type === 'user' && !passwords[name]).map(({ name }) => name);
  if (unset.length > 0) {
    throw new Error(`To create the users, set their passwords: ${unset.map(passwordSetting).join(', ')}`);
  }
  for (const object of absent) {
    const { type, name } = object;
    const permissions = accounts[name];
    if (type === 'user') await putUser(options, name, passwords[name] ?? '');
    else if (permissions) await putPermissions(options, name, permissions);
    onCreated(object);
  }
  for (const [name, permissions] of Object.entries(accounts)) {
    // RabbitMQ sets all permissions of an account together.
    const properties = found
      .filter(({ kind, object }) => kind === 'different' && object.type === 'permissions' && object.name === name)
      .map(({ property, actual, catalog }) => {
        return { property: property as keyof Permissions, before: String(actual), after: String(catalog) };
      });
    if (properties.length === 0) continue;
    await putPermissions(options, name, permissions);
    onChanged({ object: { type: 'permissions', name }, properties });
  }
  return checkAccounts(options);
}
