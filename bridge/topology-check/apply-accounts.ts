import { allPermissions } from '../../contracts/access.ts';
import type { AccountObject } from '../topology.ts';
import { checkAccounts, type AccountFinding, type AccountsOptions } from './check-accounts.ts';
import { putPermissions, putUser } from './set-account.ts';

export interface ApplyAccountsOptions extends AccountsOptions {
  /** Of the users that may have to be created, by name. */
  passwords: Readonly<Record<string, string | undefined>>;
  /** Where the password of a user is set, for a person. */
  passwordSetting: (name: string) => string;
  onCreated: (object: AccountObject) => void;
}

/**
 * Creates users that are missing, and sets permissions where a user has none. Changes and deletes nothing.
 *
 * @returns what then still differs
 * @throws Error naming every password that is needed and missing, before anything is created; or which option to give
 */
export async function applyAccounts(options: ApplyAccountsOptions): Promise<AccountFinding[]> {
  const { accounts = allPermissions(), passwords, passwordSetting, onCreated } = options;
  const absent = (await checkAccounts(options)).filter(({ creatable }) => creatable).map(({ object }) => object);
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
  return checkAccounts(options);
}
