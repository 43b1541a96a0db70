import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { WorkflowNotFoundError } from '@temporalio/client';
import { expect, vi } from 'vitest';
import { searchAttributeNames } from '../../contracts/names.ts';
import type { Life } from './life.ts';
import { rest, type Model, type Outcome } from './model.ts';

/** Above what a killed worker costs: its activities are given up after 10 s without a heartbeat, and so may their repeats. */
const timeoutMs = 90_000;
const intervalMs = 250;

/** Waits until row, workflow and runtime are at rest and agree on an outcome that the model allows, and tells the model. */
export async function untilAtRest(model: Model, life: Life): Promise<void> {
  // Events that were delivered again must have had their effect first.
  if (model.redelivered) await life.untilDelivered();
  const outcome = await vi.waitFor(() => (model.row ? checkPresent(model, life) : checkGone(model, life)), {
    timeout: timeoutMs,
    interval: intervalMs,
  });
  expect(life.system.overlapsOf(life.id), 'agents of one instance that ran at the same time').toEqual([]);
  rest(model, outcome);
}

async function checkPresent(model: Model, life: Life): Promise<Outcome> {
  const { row, outcomes } = model;
  const found = await readRow(life);
  const outcome = found && outcomeOf(found);
  if (model.terminated) await leaveToSweeper(life);
  expect(outcomes, `where it may come to rest; the row says ${JSON.stringify(found)}`).toContain(outcome);
  const { agentId, version, generation, observed, waiting } = found ?? {};
  expect({ agentId, version, generation, observed, waiting }).toEqual({
    agentId: row && life.agentIds[row.agent],
    version: row?.version,
    generation: model.generation,
    observed: model.generation,
    waiting: 0,
  });
  await checkRuntime(model, life, outcome);
  expect(await describeWorkflow(life), 'its workflow').toEqual({
    status: 'RUNNING',
    shown: found?.status,
    underWay: false,
  });
  return outcome as Outcome;
}

async function checkRuntime({ row }: Model, life: Life, outcome: Outcome | undefined): Promise<void> {
  const pids = await life.system.rig.processes(life.id);
  if (outcome !== 'running') {
    expect(pids, 'its processes').toEqual([]);
    return;
  }
  expect(pids, 'its processes').toHaveLength(1);
  expect(await life.started(), 'what the agent says that it runs').toEqual({
    pid: pids[0],
    agentId: row && life.agentIds[row.agent],
    version: row?.version,
  });
}

async function checkGone(model: Model, life: Life): Promise<undefined> {
  const { rig } = life.system;
  const { rows } = await rig.pool.query<{ type: string; status: string; waiting: boolean }>(
    `select notification->>'event_type' as type, notification->'row_data'->>'status' as status,
       published_at is null as waiting
     from event_log where entity_id = $1 order by sequence desc limit 1`,
    [life.id],
  );
  const final = { type: 'update', status: 'stopped', waiting: false };
  const isFinal = rows[0]?.type === 'update' || !model.finalStatusMayBeMissing;
  if (isFinal) expect(rows[0], 'its last event').toEqual(final);
  else expect(rows[0], 'its last event').toMatchObject({ type: 'delete', waiting: false });
  expect(await rig.processes(life.id), 'its processes').toEqual([]);
  const folder = join(rig.environment.RUNTIME_DIRECTORY, `instance-${life.id}`);
  await expect(access(folder), 'its folder').rejects.toThrow('ENOENT');
  const { status, underWay } = await describeWorkflow(life);
  const ends = model.finalStatusMayBeMissing ? ['COMPLETED', 'TERMINATED'] : ['COMPLETED'];
  expect(ends, 'its workflow').toContain(status);
  expect(underWay).toBe(false);
}

interface FoundRow {
  status: string;
  reason: string | null;
  agentId: string;
  version: number;
  generation: number;
  observed: number;
  /** Events of the instance and its agents that are not on the bus yet. */
  waiting: number;
}

async function readRow({ id, agentIds, system }: Life): Promise<FoundRow | undefined> {
  const { rows } = await system.rig.pool.query<FoundRow>({
    name: 'model_row',
    text: `select status, metadata->'status_reason'->>'code' as reason, agent_id as "agentId",
             (config->>'version')::int as version, generation::int, observed_generation::int as observed,
             (select count(*)::int from event_log where published_at is null and entity_id = any($2)) as waiting
           from instances where id = $1`,
    values: [id, [id, ...Object.values(agentIds)]],
  });
  return rows[0];
}

const outcomes: Readonly<Record<string, Outcome>> = {
  running: 'running',
  stopped: 'stopped',
  'stopped agent_retired': 'drained',
  'pending agent_unknown': 'agentUnknown',
  'failed agent_retired': 'agentRetired',
  'failed agent_exited': 'agentExited',
  'failed spec_rejected': 'specRejected',
};

function outcomeOf({ status, reason }: FoundRow): Outcome | undefined {
  return outcomes[[status, reason].filter(Boolean).join(' ')];
}

async function describeWorkflow({ id, system }: Life) {
  const { status, raw, typedSearchAttributes } = await system.rig.workflow(id).describe();
  const shown = typedSearchAttributes.getAll().find(({ key }) => key.name === searchAttributeNames.status)?.value;
  return {
    status: status.name,
    shown,
    // Temporal goes on naming the activities of a run that was terminated.
    underWay: status.name === 'RUNNING' && Boolean(raw.pendingActivities?.length || raw.pendingWorkflowTask),
  };
}

/** Makes the last change of the row look old, because the sweeper leaves instances alone that changed a moment ago. */
async function leaveToSweeper({ id, system: { rig } }: Life): Promise<void> {
  const gone = await rig
    .workflow(id)
    .describe()
    .then(
      ({ status }) => status.name !== 'RUNNING',
      (error: unknown) => error instanceof WorkflowNotFoundError,
    );
  if (!gone) return;
  await rig.pool.query(
    `begin; set local session_replication_role = replica;
     update instances set updated_at = now() - interval '1 hour' where id = '${id}'; commit`,
  );
}
