import pg from 'pg';
import { errorMessage } from '../supervision/errors.ts';
import { createClient } from '../database/engine-client.ts';
import { UntrustedCertificate } from '../certificates/untrusted-certificate.ts';
import { commandLineLimits } from '../database/time-limits.ts';
import { readCommandLineConfiguration } from '../configuration/command-line.ts';
import { CommandError } from './command-error.ts';

const undefinedTable = '42P01';

/** Runs the work on one connection. @throws CommandError that says what to do when the database cannot be used */
export async function withDatabase<Result>(work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const connectionString = readCommandLineConfiguration().databaseUrl();
  const client = createClient(
    {
      connectionString,
      application_name: 'instances',
      connectionTimeoutMillis: commandLineLimits.connectMs,
      query_timeout: commandLineLimits.queryMs,
    },
    commandLineLimits.session,
  );
  // An error between queries needs no handling, because the next query fails as well.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } catch (error) {
    throw explained(error, new URL(connectionString).host);
  } finally {
    await client.end().catch(() => undefined);
  }
}

function explained(error: unknown, host: string): unknown {
  if (error instanceof CommandError) return error;
  if (error instanceof UntrustedCertificate) return new CommandError(error.message, { cause: error });
  if (error instanceof pg.DatabaseError && error.code === undefinedTable) {
    return new CommandError(`The database at ${host} lacks the tables: run npm run migrate.`, { cause: error });
  }
  const advice = 'Start it, or correct DATABASE_URL.';
  return new CommandError(`PostgreSQL at ${host} cannot be used: ${errorMessage(error)}. ${advice}`, { cause: error });
}
