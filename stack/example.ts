import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { runtimeSpec } from '../runtimes/registry.ts';
import { publishVersion, VersionRefused, type NewVersion } from '../database/agents/versions.ts';
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

/**
 * Publishes `examples/heartbeat-agent`, or brings it up to date: its instances then run what is in the folder now. Returns its id.
 */
export async function publishExampleAgent(databaseUrl: string): Promise<string> {
  const file = agentFile.parse(JSON.parse(await readFile(`${folder}agent.json`, 'utf8')));
  const { name, version, capabilities } = file;
  const runtime = runtimeSpec.parse({ ...file.runtime, working_directory: folder });
  await withClient(databaseUrl, async (client) => {
    await client.query('begin');
    await client.query(
      `insert into agents (id, name, version, capabilities, runtime) values ($1, $2, $3, $4, $5)
       on conflict (id) do update set name = excluded.name`,
      [agentId, name, version, JSON.stringify(capabilities), runtime],
    );
    const published = await publishContent(client, { version, capabilities, runtime });
    await client.query('update agents set stable_version = $2 where id = $1', [agentId, published]);
    await client.query(
      `update instances set agent_version = $2 where agent_id = $1 and agent_version <> $2 and version_policy = 'follow'`,
      [agentId, published],
    );
    await client.query('commit');
  });
  return agentId;
}

/** Somebody who changes the example need not change its version: the content then becomes a part of it. Returns the version. */
async function publishContent(client: EngineClient, content: NewVersion): Promise<string> {
  const { version } = content;
  try {
    await publishVersion(client, agentId, content);
    return version;
  } catch (error) {
    if (!(error instanceof VersionRefused)) throw error;
    const hash = createHash('sha256').update(JSON.stringify(content)).digest('hex');
    const changed = `${version}+${hash.slice(0, 8)}`;
    await publishVersion(client, agentId, { ...content, version: changed });
    return changed;
  }
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
