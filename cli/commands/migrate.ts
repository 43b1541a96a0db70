import type { Command } from 'commander';
import { readGivenServers, readServicePasswords } from '../../configuration/given-servers.ts';
import { CommandError } from '../command-error.ts';
import { print } from '../output.ts';

export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .description('bring the database of DATABASE_DIRECT_URL or DATABASE_URL up to date, as its owner')
    .addHelpText(
      'after',
      `
The logins of the services get the passwords of EVENT_BROKER_DATABASE_PASSWORD,
AGENTS_WORKER_DATABASE_PASSWORD, USER_BACKEND_DATABASE_PASSWORD,
ADMIN_BACKEND_DATABASE_PASSWORD and DEPLOYER_DATABASE_PASSWORD, where these are set.`,
    )
    .action(migrateDatabase);
}

async function migrateDatabase(): Promise<void> {
  const given = readGivenServers();
  const databaseUrl = given.databaseDirectUrl ?? given.databaseUrl;
  if (databaseUrl === undefined) throw new CommandError('DATABASE_URL is required: the database to bring up to date');
  // Loaded here, since the other commands need neither of them.
  const { migrate } = await import('../../database/migrate.ts');
  const { setServiceLogins } = await import('../../database/service-logins.ts');
  const ran = await migrate({ databaseUrl });
  print(ran.length > 0 ? `Ran ${ran.join(', ')}.` : 'The database is up to date.');
  const passwords = readServicePasswords('DATABASE');
  const services = Object.keys(passwords);
  if (services.length === 0) return;
  await setServiceLogins({ databaseUrl, passwords });
  print(`Set the passwords of ${services.join(', ')}.`);
}
