import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { verifyAudit } from '../../../backends/admin/audit/verify.ts';
import type { Rig } from '../rig.ts';
import type { Load } from './load.ts';
import type { EngineProcesses } from './processes.ts';
import type { UpdatesWatcher } from './watcher.ts';

/** The agent of the load. It writes down each of its starts. */
export async function publishLoadAgent(rig: Rig): Promise<string> {
  return rig.publishAgent({
    command: ['sh', '-c', 'echo "$INSTANCE_ID" >> "$STARTS"; exec sleep 100000'],
    environment: { STARTS: startsFile(rig) },
  });
}

export interface ComparisonOptions {
  rig: Rig;
  load: Load;
  userId: string;
  watcher: UpdatesWatcher;
  processes: EngineProcesses;
  /** How long everything may take to settle after the load has ended. */
  settleMs?: number;
}

/**
 * Waits until everything has settled after the load, and expects every entry of the event log to have had its effect at every consumer
 * exactly once: in the audit log, at the client of live updates, and on the agents by the workflows.
 */
export async function expectEffectsOnce(options: ComparisonOptions): Promise<{ events: number }> {
  const { rig, load, userId, watcher, processes, settleMs = 120_000 } = options;
  const patience = { timeout: settleMs, interval: 250 };
  const { rows: instances } = await rig.pool.query<{ id: string }>('select id from instances where user_id = $1', [
    userId,
  ]);
  expect(instances.map(({ id }) => id).toSorted()).toEqual([...load.kept].toSorted());

  await vi.waitFor(async () => expect(await unsettled(rig)).toEqual([]), patience);
  for (const id of load.deleted) {
    await vi.waitFor(async () => {
      const { status } = await rig.workflow(id).describe();
      expect(status.name, `workflow of the deleted ${id}`).toBe('COMPLETED');
    }, patience);
  }
  await vi.waitFor(async () => expect(await unpublished(rig)).toBe(0), patience);

  const log = await readLog(rig);
  await expectAudit(rig, log, patience);
  expect(processes.output('admin-backend')).not.toContain('had not come over the bus');
  await expectPushes(rig, watcher, userId, patience);
  await expectAgents(rig, load);
  return { events: log.length };
}

/** The longest time, in milliseconds, in which none of the events arrived. */
export function longestGapMs(times: readonly number[]): number {
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? time));
  return Math.max(0, ...gaps);
}

/** When each event was marked as published, and when its entry of the audit log was written, both in milliseconds and in order. */
export async function readTimes(rig: Rig): Promise<{ published: number[]; recorded: number[] }> {
  const read = async (text: string): Promise<number[]> => {
    const { rows } = await rig.pool.query<{ time: Date }>(text);
    return rows.map(({ time }) => time.getTime());
  };
  return {
    published: await read('select published_at as time from event_log where published_at is not null order by 1'),
    recorded: await read('select recorded_at as time from audit_log order by 1'),
  };
}

/** Instances that do not run, or whose last change was not observed. */
async function unsettled(rig: Rig): Promise<unknown[]> {
  const { rows } = await rig.pool.query<Record<string, unknown>>(
    `select id, status, generation, observed_generation, metadata->'status_reason' as reason from instances
     where status <> 'running' or observed_generation is distinct from generation`,
  );
  return rows;
}

async function unpublished(rig: Rig): Promise<number> {
  const { rows } = await rig.pool.query<{ count: number }>(
    'select count(*)::int as count from event_log where published_at is null',
  );
  return rows[0]?.count ?? 0;
}

/** The ids of all entries of the event log. */
export async function readLog(rig: Rig): Promise<string[]> {
  const { rows } = await rig.pool.query<{ event_id: string }>('select event_id from event_log');
  return rows.map(({ event_id: id }) => id).toSorted();
}

async function expectAudit(rig: Rig, log: readonly string[], patience: object): Promise<void> {
  await vi.waitFor(async () => {
    const { rows } = await rig.pool.query<{ event_id: string }>('select event_id from audit_log');
    expect(rows.map(({ event_id: id }) => id).toSorted()).toEqual(log);
  }, patience);
  const client = await rig.connect();
  expect(await verifyAudit(client)).toMatchObject({ problem: undefined, entries: log.length });
}

/** Everything about instances of the user but their creation is pushed, in the order of publication. */
async function expectPushes(rig: Rig, watcher: UpdatesWatcher, userId: string, patience: object): Promise<void> {
  const { rows } = await rig.pool.query<{ event_id: string }>(
    `select event_id from audit_log where user_id = $1 and type in ('instance.updated', 'instance.deleted')`,
    [userId],
  );
  const wanted = rows.map(({ event_id: id }) => id).toSorted();
  await vi.waitFor(() => expect(watcher.events.map(({ event_id: id }) => id).toSorted()).toEqual(wanted), patience);
  expect(watcher.resyncs).toEqual([]);
  const positions = watcher.events.map(({ position }) => position);
  expect(positions).toEqual(positions.toSorted((a, b) => a - b));
}

/** Every instance runs one agent, and no change started one twice. Nothing is left of what was deleted. */
async function expectAgents(rig: Rig, load: Load): Promise<void> {
  const starts = (await readFile(startsFile(rig), 'utf8')).trim().split('\n');
  const startsOf = (id: string): number => starts.filter((line) => line === id).length;
  for (const id of load.kept) {
    expect(await rig.processes(id), `processes of ${id}`).toHaveLength(1);
    expect(startsOf(id), `starts of ${id}`).toBeLessThanOrEqual(2);
  }
  for (const id of load.deleted) {
    expect(await rig.processes(id), `processes of the deleted ${id}`).toEqual([]);
    expect(startsOf(id), `starts of the deleted ${id}`).toBeLessThanOrEqual(2);
  }
}

function startsFile(rig: Rig): string {
  return join(rig.environment.RUNTIME_DIRECTORY, 'starts');
}
