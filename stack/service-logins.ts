import { setAccount } from '../bridge/topology-check/set-account.ts';
import { accountNames, permissionsOf, serviceNames, type AccountName } from '../contracts/access.ts';
import type { ServiceName } from '../contracts/names.ts';
import { setServiceLogins } from '../database/service-logins.ts';
import type { GivenServers } from '../configuration/given-servers.ts';
import { newSecret } from './kept-secret.ts';
import type { StackServers } from './stack-options.ts';

/** Settings of each service alone, as variables of the environment. */
export type ServiceSettings = Record<ServiceName, Record<string, string>>;

/**
 * Gives every service a login of its own, with a new password, at the servers that the stack runs; the database has to be
 * migrated. A server that the user names is used with the login that it is named with.
 */
export async function openServiceLogins(servers: StackServers, given: GivenServers): Promise<ServiceSettings> {
  const [database, bus] = await Promise.all([
    given.databaseUrl === undefined ? databaseLogins(servers) : undefined,
    given.amqpUrl === undefined ? busLogins(servers, given) : undefined,
  ]);
  return ofEveryService((service) => ({ ...database?.[service], ...bus?.[service] }));
}

async function databaseLogins({ databaseUrl }: StackServers): Promise<ServiceSettings> {
  const urls = await setServiceLogins({ databaseUrl, passwords: ofEveryService(newSecret) });
  return ofEveryService((service) => ({ DATABASE_URL: urls[service] }));
}

async function busLogins(
  { amqpUrl, managementUrl }: StackServers,
  { controlAmqpUrl }: GivenServers,
): Promise<ServiceSettings> {
  const open = async (name: AccountName): Promise<[AccountName, string]> => {
    const account = { name, password: newSecret(), permissions: permissionsOf(name) };
    return [name, await setAccount({ amqpUrl, managementUrl }, account)];
  };
  const urls = Object.fromEntries(await Promise.all(accountNames.map(open))) as Record<AccountName, string>;
  return ofEveryService((service) => ({
    AMQP_URL: urls[service],
    CONTROL_AMQP_URL: controlAmqpUrl ?? urls.agents,
  }));
}

function ofEveryService<Value>(make: (service: ServiceName) => Value): Record<ServiceName, Value> {
  return Object.fromEntries(serviceNames.map((service) => [service, make(service)])) as Record<ServiceName, Value>;
}
