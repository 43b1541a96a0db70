import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { z } from 'zod';
import { runtimeSpec } from '../runtimes/registry.ts';
import { createClient } from '../database/engine-client.ts';
import { poolLimits } from '../database/time-limits.ts';

const folder = fileURLToPath(new URL('../examples/heartbeat-agent/', import.meta.url));
const agentId = '5f0c9a52-6a0e-4c4b-9d0a-0f6f4d1c7a01';
/** Owner of the example's instance, and an admin: the subjects of the tokens that `npm start` prints. */
export const exampleUserId = '8d1f6f3e-2b43-4f0e-8b1e-3c9a5d7e2b02';
export const adminId = '2c7a4e1d-5f60-4b8e-9d3c-1a2b3c4d5e03';

const agentFile = z.object({
  name: z.string(),
  version: z.string(),
  capabilities: z.array(z.string()),
  runtime: z.record(z.string(), z.unknown()),
});

/** Publishes `examples/heartbeat-agent`, or brings it up to date. Returns its id. */
export async function publishExampleAgent(databaseUrl: string): Promise<string> {
  const { name, version, capabilities, runtime } = agentFile.parse(
    JSON.parse(await readFile(`${folder}agent.json`, 'utf8')),
  );
  const spec = runtimeSpec.parse({ ...runtime, working_directory: folder });
  await query(
    databaseUrl,
    `insert into agents (id, name, version, capabilities, runtime) values ($1, $2, $3, $4, $5)
     on conflict (id) do update set name = excluded.name, version = excluded.version,
       capabilities = excluded.capabilities, runtime = excluded.runtime`,
    [agentId, name, version, JSON.stringify(capabilities), spec],
  );
  return agentId;
}

export interface ExampleInstance {
  id: string;
  status: string;
  created: boolean;
}

/** Finds the example's instance whose desired state is `running`, or inserts one. */
export async function ensureExampleInstance(databaseUrl: string, agent: string): Promise<ExampleInstance> {
  const find = `select id, status from instances
                where agent_id = $1 and user_id = $2 and desired_state = 'running' order by created_at limit 1`;
  const insert = 'insert into instances (agent_id, user_id, config) values ($1, $2, $3) returning id, status';
  const [found] = await query<ExampleInstance>(databaseUrl, find, [agent, exampleUserId]);
  if (found) return { ...found, created: false };
  const [inserted] = await query<ExampleInstance>(databaseUrl, insert, [agent, exampleUserId, { interval_ms: 5000 }]);
  if (!inserted) throw new Error('PostgreSQL returned no row for the instance that was inserted');
  return { ...inserted, created: true };
}

async function query<Row extends pg.QueryResultRow>(
  databaseUrl: string,
  text: string,
  values: unknown[],
): Promise<Row[]> {
  const client = createClient({ connectionString: databaseUrl }, poolLimits.session);
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}
