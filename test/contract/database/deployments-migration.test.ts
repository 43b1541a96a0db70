import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createDeploymentRows } from '../../support/deployment-rows.ts';
import { createMigratedDatabase, dropDatabase } from '../../support/databases.ts';

/** The migration to deployments, on a database that has had some. */

const dir = fileURLToPath(new URL('../../../database/migrations', import.meta.url));
const since = readdirSync(dir).filter((file) => file >= '0063').length;
let name: string;
let databaseUrl: string;
let client: pg.Client;

const run = (direction: 'up' | 'down') =>
  runner({ dbClient: client, dir, direction, count: since, migrationsTable: 'migrations', log: () => undefined });

beforeEach(async () => {
  name = `test_${randomUUID().replaceAll('-', '')}`;
  databaseUrl = await createMigratedDatabase(inject('postgresUrl'), name);
  client = new pg.Client(databaseUrl);
  await client.connect();
});
afterEach(async () => {
  await client.end();
  await dropDatabase(inject('postgresUrl'), name);
});

test('can be undone and done again, and entries of the audit log stay', async () => {
  const rows = await createDeploymentRows(databaseUrl);
  await rows.record(await rows.request(), 'ramping', { percentage: 10 });
  await rows.close();
  const record = {
    event_id: randomUUID(),
    type: 'deployment.updated',
    occurred_at: '2025-01-01T12:00:00Z',
    sequence: 2,
    correlation_id: randomUUID(),
    schema_version: 1,
    body: '{}',
  };
  const append = (entry: object) => client.query('select append_audit_entries($1)', [JSON.stringify([entry])]);
  await append(record);
  // The same event with another body is put on record as well.
  await append({ ...record, body: '{"a": 1}' });
  await expect(append({ ...record, event_id: randomUUID(), type: 'agent.retired' })).rejects.toMatchObject({
    constraint: 'audit_log_agent_id_is_known',
  });
  const types = async () => {
    const { rows: found } = await client.query<{ type: string }>('select type from audit_log order by position');
    return found.map(({ type }) => type);
  };
  const entries = ['deployment.updated', 'audit_log.event_differs'];
  expect(await types()).toEqual(entries);
  await run('down');
  await run('up');
  expect(await types()).toEqual(entries);
  const again = await createDeploymentRows(databaseUrl);
  expect(await again.deployment(await again.request())).toMatchObject({ status: 'requested' });
  await again.close();
});
