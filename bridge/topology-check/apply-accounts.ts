import { allPermissions, type Permissions } from '../../contracts/access.ts';
import type { AccountObject } from '../bus/topology.ts';
import { checkAccounts, type AccountFinding, type AccountsOptions } from './check-accounts.ts';
import { putPermissions, putUser } from './set-account.ts';

export interface ApplyAccountsOptions extends AccountsOptions {
  /** Of the users that may have to be created, by name. */
  passwords: Readonly<Record<string, string | undefined>>;
  /** Where the password of a user is set, for a person. */
  passwordSetting: (name: string) => string;
  onCreated: (object: AccountObject) => void;
  onChanged: (change: ChangedPermissions) => void;
}

/** Of one account of the catalog, which had other rights. */
export interface ChangedPermissions {
  object: AccountObject;
  properties: { property: keyof Permissions; before: string; after: string }[];
}

/**
 * Creates users that are missing, and gives each account of the catalog exactly the permissions of the catalog. Other
 * accounts, passwords and tags stay as they are, and nothing is deleted.
 *
 * @returns what then still differs
 * @throws Error naming every password that is needed and missing, before anything is created; or which option to give
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
  for (const change of changesOf(found)) {
    const permissions = accounts[change.object.name];
    if (!permissions) continue;
    await putPermissions(options, change.object.name, permissions);
    onChanged(change);
  }
  return checkAccounts(options);
}

/** By account: its permissions are set together. */
function changesOf(found: readonly AccountFinding[]): ChangedPermissions[] {
  const changes = new Map<string, ChangedPermissions>();
  for (const { kind, object, property, actual, catalog } of found) {
    if (kind !== 'different' || object.type !== 'permissions') continue;
    const change = changes.get(object.name) ?? { object, properties: [] };
    change.properties.push({
      property: property as keyof Permissions,
      before: String(actual),
      after: String(catalog),
    });
    changes.set(object.name, change);
  }
  return [...changes.values()];
}
