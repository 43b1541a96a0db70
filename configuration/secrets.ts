import { readFileSync } from 'node:fs';
import { accountNames, serviceNames } from '../contracts/access.ts';
import { documentationOf, settings } from './settings.ts';

const accountsOf = { DATABASE: serviceNames, AMQP: accountNames };

/** The variable with the password that an account is to get, e.g. `EVENT_BROKER_DATABASE_PASSWORD`. */
export function passwordVariable(account: string, server: keyof typeof accountsOf): string {
  return `${account.toUpperCase()}_${server}_PASSWORD`;
}

export function passwordsIn(
  environment: Readonly<Record<string, string>>,
  server: keyof typeof accountsOf,
): Record<string, string> {
  return Object.fromEntries(
    accountsOf[server].flatMap((account) => {
      const password = environment[passwordVariable(account, server)];
      return password === undefined ? [] : [[account, password]];
    }),
  );
}

/** The variables that hold a secret, or a URL that may hold one. */
export const secretVariables: readonly string[] = [
  ...Object.entries(settings.shape).flatMap(([name, schema]) => (documentationOf(schema).isSecret ? [name] : [])),
  ...serviceNames.map((name) => passwordVariable(name, 'DATABASE')),
  ...accountNames.map((name) => passwordVariable(name, 'AMQP')),
];

/**
 * Reads every secret whose variable `<name>_FILE` names a file. Unlike the environment, a file appears in no process list and can be
 * removed once the process has started.
 */
export function withSecretsOfFiles(given: Readonly<Record<string, string>>): {
  environment: Record<string, string>;
  problems: string[];
} {
  const environment = { ...given };
  const problems: string[] = [];
  for (const name of secretVariables) {
    const variable = `${name}_FILE`;
    const file = given[variable];
    if (file === undefined) continue;
    if (given[name] !== undefined) {
      problems.push(`${name} and ${variable} are both set: leave one of them out`);
      continue;
    }
    try {
      // Editors and `echo` end a file with a line feed, which does not belong to the secret.
      const secret = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
      if (secret === '') problems.push(`${variable} names the file ${file}, which is empty`);
      else environment[name] = secret;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      problems.push(`${variable} names the file ${file}, which cannot be read (${code})`);
    }
  }
  return { environment, problems };
}
