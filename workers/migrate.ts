import { errorMessage } from '../supervision/errors.ts';
import { migrate } from '../database/migrate.ts';
import { setServiceLogins } from '../database/service-logins.ts';
import { findPasswordOnCommandLine } from '../configuration/command-line-passwords.ts';
import { readGivenServers, readServicePasswords } from '../configuration/given-servers.ts';

try {
  const refusal = findPasswordOnCommandLine(process.argv.slice(2));
  if (refusal !== undefined) throw new Error(refusal);
  const { databaseUrl: given, databaseDirectUrl } = readGivenServers();
  const databaseUrl = databaseDirectUrl ?? given;
  if (databaseUrl === undefined) throw new Error('DATABASE_URL is required: the database to bring up to date');
  const ran = await migrate({ databaseUrl });
  process.stdout.write(ran.length > 0 ? `Ran ${ran.join(', ')}.\n` : 'The database is up to date.\n');
  const passwords = readServicePasswords('DATABASE');
  const services = Object.keys(passwords);
  if (services.length > 0) {
    await setServiceLogins({ databaseUrl, passwords });
    process.stdout.write(`Set the passwords of ${services.join(', ')}.\n`);
  }
} catch (error) {
  process.stderr.write(`${errorMessage(error)}\n`);
  process.exitCode = 1;
}
