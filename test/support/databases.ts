import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { migrate } from '../../database/migrate.ts';
import { withPath } from './with-path.ts';

/** Number that no other user of advisory locks on the server's own database takes. */
const templateLock = 5_310_227;

/**
 * A database with the whole schema. It is copied from one that is migrated once for each server, which takes a fraction of
 * the time that the migrations take.
 *
 * @returns its address
 */
export async function createMigratedDatabase(adminUrl: string, name: string): Promise<string> {
  const template = templateName();
  await withClient(adminUrl, async (client) => {
    for (;;) {
      // Nobody makes or drops the template meanwhile; any number copy it. The lock ends with the session.
      await client.query('select pg_advisory_lock_shared($1)', [templateLock]);
      if (await exists(client, template)) break;
      await client.query('select pg_advisory_unlock_shared($1)', [templateLock]);
      await createTemplate(adminUrl, template);
    }
    await client.query(`create database ${name} template ${template}`);
  });
  return withPath(adminUrl, name);
}

/** Cleans up a server that outlives the tests. A test that still needs the template makes it anew. */
export async function dropTemplate(adminUrl: string): Promise<void> {
  await withClient(adminUrl, async (client) => {
    await client.query('select pg_advisory_lock($1)', [templateLock]);
    await client.query(`drop database if exists ${templateName()} with (force)`);
  });
}

/** Works also while clients are connected to the database. */
export async function dropDatabase(adminUrl: string, name: string): Promise<void> {
  await withClient(adminUrl, (client) => client.query(`drop database ${name} with (force)`));
}

/** Gives the template its name only once it is complete, so that a killed run leaves no half-made template. */
async function createTemplate(adminUrl: string, template: string): Promise<void> {
  const unfinished = `${template}_unfinished`;
  await withClient(adminUrl, async (client) => {
    await client.query('select pg_advisory_lock($1)', [templateLock]);
    if (await exists(client, template)) return;
    await client.query(`drop database if exists ${unfinished} with (force)`);
    await client.query(`create database ${unfinished}`);
    await migrate({ databaseUrl: withPath(adminUrl, unfinished) });
    await client.query(`alter database ${unfinished} rename to ${template}`);
  });
}

async function exists(client: pg.Client, name: string): Promise<boolean> {
  const { rowCount } = await client.query('select from pg_database where datname = $1', [name]);
  return rowCount === 1;
}

/** Other migrations have another template. */
function templateName(): string {
  const folder = new URL('../../database/migrations/', import.meta.url);
  const hash = createHash('sha256');
  for (const file of readdirSync(folder).toSorted()) hash.update(file).update(readFileSync(new URL(file, folder)));
  return `test_template_${hash.digest('hex').slice(0, 12)}`;
}

async function withClient(url: string, use: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}
