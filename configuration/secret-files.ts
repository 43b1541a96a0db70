import { readFileSync } from 'node:fs';
import { accountNames, serviceNames } from '../contracts/access.ts';
import { passwordVariable } from './service-passwords.ts';

/** Variables that hold a secret, or a URL that may. */
export const secretVariables: readonly string[] = [
  'DATABASE_URL',
  'DATABASE_DIRECT_URL',
  'AMQP_URL',
  'CONTROL_AMQP_URL',
  'RABBITMQ_MANAGEMENT_URL',
  'JWT_SECRET',
  'TEMPORAL_API_KEY',
  'TEMPORAL_TLS_CLIENT_KEY_DATA',
  ...serviceNames.map((name) => passwordVariable(name, 'DATABASE')),
  ...accountNames.map((name) => passwordVariable(name, 'AMQP')),
];

/**
 * Reads each secret whose file is named, as `DATABASE_URL_FILE` names that of `DATABASE_URL`. Unlike an environment, a file is not
 * shown by the process list, and can be taken away once the process has started.
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
      // Editors and `echo` end a file with a line feed, which is no part of the secret.
      const secret = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
      if (secret === '') problems.push(`${variable} names the file ${file}, which is empty`);
      else environment[name] = secret;
    } catch (error) {
      problems.push(
        `${variable} names the file ${file}, which cannot be read (${(error as NodeJS.ErrnoException).code})`,
      );
    }
  }
  return { environment, problems };
}
