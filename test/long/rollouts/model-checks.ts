import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, vi } from 'vitest';
import { instanceWorkflowId, rolloutWorkflowId, searchAttributeNames } from '../../../contracts/names.ts';
import { listProcesses } from '../../../runtimes/process/process-table.ts';
import { checkLog } from './model-log.ts';
import type { World } from './model-world.ts';

const patience = { timeout: 150_000, interval: 250 };

/** Waits until nothing happens any more, and then finds that rows, workflows, processes and events agree. */
export async function untilAgreed(world: World): Promise<void> {
  await untilEnded(world);
  await vi.waitFor(async () => {
    await checkInstances(world);
    await checkDeleted(world);
  }, patience);
  await checkRollouts(world);
  await checkAgent(world);
  await checkLog(world);
}

/** A busy machine is given time as long as anything changes. */
async function untilEnded(world: World): Promise<void> {
  let before = '';
  let changedAt = performance.now();
  const begun = changedAt;
  for (;;) {
    const active = JSON.stringify(await world.goOn());
    if (active === '[]') return;
    if (active !== before) changedAt = performance.now();
    before = active;
    const now = performance.now();
    if (now - changedAt > patience.timeout || now - begun > 4 * patience.timeout) {
      throw new Error(`These rollouts do not end: ${active}`);
    }
    await delay(patience.interval);
  }
}

interface InstanceRow {
  id: string;
  agent_id: string;
  desired_state: string;
  status: string;
  agent_version: string | null;
  running_version: string | null;
  version_policy: string;
  sequence: string;
  generation: string;
  observed_generation: string;
  round: number;
}

async function checkInstances(world: World): Promise<void> {
  const { rig, ids, kinds } = world;
  const processes = await describeProcesses(ids);
  for (const row of await readInstances(world)) {
    const place = `the instance ${JSON.stringify(row)}`;
    const { id, status, desired_state: desired, agent_id: agentId, agent_version: version, round } = row;
    const expected = desired === 'stopped' ? 'stopped' : kinds.get(version ?? '') === 'crashing' ? 'failed' : 'running';
    expect(status, `of ${place}`).toBe(expected);
    expect(row.observed_generation, `of ${place}`).toBe(row.generation);
    expect(row.running_version, `of ${place}`).toBe(expected === 'running' ? version : null);
    const shown = expected === 'running' ? [{ agentId, version, round }] : [];
    expect(processes.get(id) ?? [], `the processes of ${place}`).toEqual(shown);

    const { status: workflow, typedSearchAttributes } = await rig.client.workflow
      .getHandle(instanceWorkflowId(id))
      .describe();
    const said = typedSearchAttributes.getAll().find(({ key }) => key.name === searchAttributeNames.status)?.value;
    expect([workflow.name, said], `the workflow of ${place}`).toEqual(['RUNNING', status]);

    const last = rig.bus.of(id).at(-1);
    expect(last?.type, `the last event of ${place}`).toMatch(/instance\.(updated|created)/);
    expect({ ...last?.body, generation: String(last?.headers['generation']) }).toMatchObject({
      status,
      agent_version: version,
      running_version: row.running_version,
      version_policy: row.version_policy,
      generation: row.generation,
    });
  }
}

async function readInstances({ rig, ids }: World): Promise<InstanceRow[]> {
  const { rows } = await rig.pool.query<InstanceRow>(
    `select id, agent_id, desired_state, status, agent_version, running_version, version_policy, sequence, generation,
       observed_generation, (config ->> 'round')::int as round
     from instances where id = any ($1)`,
    [ids],
  );
  return rows;
}

/** What the kernel says of the processes of each instance. */
async function describeProcesses(ids: readonly string[]): Promise<Map<string, object[]>> {
  const found = new Map<string, object[]>();
  for (const { instanceName, pid, group } of await listProcesses()) {
    const id = instanceName?.slice('instance-'.length) ?? '';
    if (pid !== group || !ids.includes(id)) continue;
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
    const valueOf = (name: string): string => new RegExp(`(?:^|\0)${name}=([^\0]*)`).exec(environment)?.[1] ?? '';
    const { round } = JSON.parse(await readFile(valueOf('INSTANCE_CONFIG_FILE'), 'utf8')) as { round: number };
    const described = { agentId: valueOf('AGENT_ID'), version: valueOf('VERSION'), round };
    found.set(id, [...(found.get(id) ?? []), described]);
  }
  return found;
}

async function checkDeleted(world: World): Promise<void> {
  const { rig, ids } = world;
  const present = new Set((await readInstances(world)).map(({ id }) => id));
  const deleted = ids.filter((id) => !present.has(id));
  expect(await describeProcesses(deleted), 'processes of deleted instances').toEqual(new Map());
  for (const id of deleted) {
    const { status } = await rig.client.workflow.getHandle(instanceWorkflowId(id)).describe();
    expect(status.name, `the workflow of the deleted instance ${id}`).toBe('COMPLETED');
  }
}

async function checkRollouts({ rig, agentId, kinds }: World): Promise<void> {
  const { rows } = await rig.pool.query<Record<string, unknown> & { id: string; version: string; status: string }>(
    `select r.*, r.reason ->> 'code' as code, v.withdrawn_at is not null as withdrawn, c.*
     from rollouts r join agent_versions v using (agent_id, version)
     cross join lateral (
       select count(*)::int as rows, count(*) filter (where outcome = 'healthy')::int as healthy_rows,
         count(*) filter (where outcome = 'failed')::int as failed_rows,
         count(*) filter (where outcome = 'reverted')::int as reverted_rows,
         count(*) filter (where outcome = 'moved' and judged and not excused)::int as awaited
       from rollout_instances x where x.rollout_id = r.id) c
     where agent_id = $1 order by created_at`,
    [agentId],
  );
  await rig.untilBusIsQuiet();
  for (const row of rows) {
    const { id, status, version } = row;
    const place = `the rollout ${JSON.stringify(row)}`;
    expect(row['moved'], `of ${place}`).toBe(row['rows']);
    if (row['reverted'] === 0 && status !== 'rolled_back') {
      expect([row['healthy'], row['failed']], `of ${place}`).toEqual([row['healthy_rows'], row['failed_rows']]);
    }
    expect(row['reverted'], `of ${place}`).toBe(row['reverted_rows']);
    if (status === 'completed') expect(row['awaited'], `of ${place}`).toBe(0);
    if (kinds.get(version) === 'good') {
      // What users and admins do is not the fault of a version that is good.
      expect(row['failed'], `of ${place}`).toBe(0);
      expect(status, `of ${place}`).not.toBe('rolled_back');
      expect(row['withdrawn'], `of ${place}`).toBe(false);
    }
    if (status === 'rolled_back') expect(row['withdrawn'], `of ${place}`).toBe(true);
    const last = rig.bus.of(id).at(-1);
    const types: Record<string, string> = { completed: 'rollout.completed', rolled_back: 'rollout.rolled_back' };
    expect(last?.type, `of ${place}`).toBe(types[status] ?? 'rollout.updated');
    expect(last?.body, `of ${place}`).toMatchObject({
      rollout_id: id,
      version,
      total: row['total'],
      moved: row['moved'],
      healthy: row['healthy'],
      failed: row['failed'],
      ...(types[status] === undefined && { status }),
    });
  }
  await rig.client.workflow.getHandle(rolloutWorkflowId(agentId)).result();
}

async function checkAgent({ rig, agentId }: World): Promise<void> {
  const { rows } = await rig.pool.query<{ stable: string; withdrawn: boolean; expected: string }>(
    `select a.stable_version as stable, v.withdrawn_at is not null as withdrawn, coalesce((
       select r.version from rollouts r where r.agent_id = a.id and r.status = 'completed' order by r.ended_at desc limit 1),
       'first') as expected
     from agents a join agent_versions v on v.agent_id = a.id and v.version = a.stable_version where a.id = $1`,
    [agentId],
  );
  expect(rows).toEqual([{ stable: rows[0]?.expected, withdrawn: false, expected: rows[0]?.expected }]);
}
