import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { runtimeSpec } from '../runtimes/registry.ts';
import { createClient, type EngineClient } from '../database/engine-client.ts';
import { createInstance } from '../database/instances/change.ts';
import { listInstances } from '../database/instances/list.ts';
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
  await withClient(databaseUrl, (client) =>
    client.query(
      `insert into agents (id, name, version, capabilities, runtime) values ($1, $2, $3, $4, $5)
       on conflict (id) do update set name = excluded.name, version = excluded.version,
         capabilities = excluded.capabilities, runtime = excluded.runtime`,
      [agentId, name, version, JSON.stringify(capabilities), spec],
    ),
  );
  return agentId;
}

/** Finds the example's instance whose desired state is `running`, or creates one. */
export async function ensureExampleInstance(databaseUrl: string) {
  return withClient(databaseUrl, async (client) => {
    const users = { lowest: exampleUserId, highest: exampleUserId };
    const { instances } = await listInstances(client, { agentIds: [agentId], users, limit: 1_000 });
    const found = instances.findLast(({ desired_state: desiredState }) => desiredState === 'running');
    if (found) return { ...found, isNew: false };
    const json = JSON.stringify({ config: { interval_ms: 5000 } });
    const instance = { agentId, userId: exampleUserId, desiredState: 'running', json } as const;
    return { ...(await createInstance(client, instance)), isNew: true };
  });
}

async function withClient<Result>(
  databaseUrl: string,
  work: (client: EngineClient) => Promise<Result>,
): Promise<Result> {
  const client = createClient({ connectionString: databaseUrl }, poolLimits.session);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
