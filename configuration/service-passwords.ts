import { accountNames, serviceNames } from '../contracts/access.ts';

/** e.g. `EVENT_BROKER_DATABASE_PASSWORD`. */
export function passwordVariable(account: string, server: 'DATABASE' | 'AMQP'): string {
  return `${account.toUpperCase()}_${server}_PASSWORD`;
}

/** The passwords that variables of the environment give, by the names of the accounts. */
export function passwordsIn(
  environment: Readonly<Record<string, string>>,
  server: 'DATABASE' | 'AMQP',
): Record<string, string> {
  const accounts = server === 'DATABASE' ? serviceNames : accountNames;
  return Object.fromEntries(
    accounts.flatMap((account) => {
      const password = environment[passwordVariable(account, server)];
      return password === undefined ? [] : [[account, password]];
    }),
  );
}
