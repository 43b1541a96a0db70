import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { setAccount } from '../../bridge/topology-check/set-account.ts';
import { accountNames, permissionsOf, serviceNames, type AccountName } from '../../contracts/access.ts';
import type { ServiceName } from '../../contracts/names.ts';
import { managementApi } from './management.ts';

export interface ServiceLoginsOptions {
  /** Begins the names of all logins. */
  name: string;
  /** Of a migrated database. */
  databaseUrl: string;
  amqpUrl: string;
  managementUrl: string;
}

/**
 * Logins of a test's own with the rights of each service: whoever else uses the servers keeps the services' own users and
 * passwords.
 */
export async function openServiceLogins({ name, databaseUrl, amqpUrl, managementUrl }: ServiceLoginsOptions) {
  const password = randomUUID();
  const loginOf = (account: string): string => `${name}_${account}`;
  const management = managementApi(managementUrl, amqpUrl);
  await query(
    databaseUrl,
    serviceNames.map((service) => `create role ${loginOf(service)} login password '${password}' in role ${service}`),
  );
  const amqpUrls = new Map(
    await Promise.all(
      accountNames.map(async (account) => {
        const login = { name: loginOf(account), password, permissions: permissionsOf(account) };
        return [account, await setAccount({ amqpUrl, managementUrl }, login)] as const;
      }),
    ),
  );
  const amqpUrlOf = (account: AccountName): string => amqpUrls.get(account) ?? '';
  return {
    of: (service: ServiceName) => ({
      DATABASE_URL: Object.assign(new URL(databaseUrl), { username: loginOf(service), password }).href,
      AMQP_URL: amqpUrlOf(service),
      CONTROL_AMQP_URL: amqpUrlOf('agents'),
    }),
    remove: async () => {
      await query(
        databaseUrl,
        serviceNames.map((service) => `drop role ${loginOf(service)}`),
      );
      await Promise.all(accountNames.map((account) => management('DELETE', `users/${loginOf(account)}`)));
    },
  };
}

async function query(databaseUrl: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  try {
    await client.query(statements.join(';'));
  } finally {
    await client.end();
  }
}
