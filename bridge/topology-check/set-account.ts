import type { Permissions } from '../../contracts/access.ts';
import { virtualHostOf } from '../bus/connection.ts';
import { put, type ManagementOptions } from './management-api.ts';

export interface Account {
  name: string;
  password: string;
  permissions: Permissions;
}

/**
 * Creates a user without tags and with exactly these permissions, or changes the user of that name.
 *
 * @returns the AMQP URL with which this user reaches the same virtual host
 * @throws Error that says which option to give
 */
export async function setAccount(options: ManagementOptions, { name, ...account }: Account): Promise<string> {
  await putUser(options, name, account.password);
  await putPermissions(options, name, account.permissions);
  return Object.assign(new URL(options.amqpUrl), { username: name, password: account.password }).href;
}

export async function putUser(options: ManagementOptions, name: string, password: string, tags = ''): Promise<void> {
  await put(options, `users/${encodeURIComponent(name)}`, { password, tags });
}

export async function putPermissions(
  options: ManagementOptions,
  name: string,
  permissions: Permissions,
): Promise<void> {
  const virtualHost = encodeURIComponent(virtualHostOf(new URL(options.amqpUrl)));
  await put(options, `permissions/${virtualHost}/${encodeURIComponent(name)}`, permissions);
}
