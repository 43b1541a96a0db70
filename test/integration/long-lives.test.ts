import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { instanceWorkflowId } from '../../contracts/names.ts';
import { instanceMessageSignal, instanceStateQuery, type RowChanged } from '../../workflows/messages.ts';
import { openRig, type Rig } from '../support/rig.ts';

let rig: Rig;
let agentId: string;

beforeAll(async () => {
  rig = await openRig({ settings: { SWEEP_INTERVAL_SECONDS: '1' } });
  await rig.startAll();
  agentId = await rig.publishAgent();
});

afterAll(() => rig.close());

test('20,000 signals to one instance are all accounted for, over bounded histories', async () => {
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  const { messages: before } = await rig.workflow(id).query(instanceStateQuery);
  const handle = rig.workflow(id);
  const total = 20_000;
  let sent = 0;
  const sender = async (): Promise<void> => {
    while (sent < total) {
      sent += 1;
      await handle.signal(instanceMessageSignal, staleReading(sent));
    }
  };
  await Promise.all(Array.from({ length: 100 }, sender));
  await vi.waitFor(
    async () => expect((await rig.workflow(id).query(instanceStateQuery)).messages).toBe(before + total),
    { timeout: 60_000, interval: 200 },
  );

  const runs: number[] = [];
  for await (const run of rig.client.workflow.list({ query: `WorkflowId = '${instanceWorkflowId(id)}'` })) {
    runs.push(run.historyLength ?? Infinity);
  }
  expect(runs.length).toBeGreaterThan(1);
  // Temporal ends a workflow at 51,200 events, and refuses signals to a run that had 10,000.
  expect(Math.max(...runs)).toBeLessThan(20_000);
  expect(await rig.processes(id)).toHaveLength(1);
  await rig.deleteInstance(id);
  await rig.bus.until(id, 'instance.updated', 'stopped');
}, 240_000);

test('an idle instance costs nothing: its history stands still, sweep after sweep', async () => {
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  const atRest = await vi.waitFor(async () => {
    const { historyLength, raw } = await rig.workflow(id).describe();
    expect(raw.pendingWorkflowTask ?? null).toBeNull();
    return historyLength;
  });
  const sweeps = async () =>
    (await rig.client.schedule.getHandle(`sweeper/${rig.environment.TASK_QUEUE}`).describe()).info.numActionsTaken;
  const before = await sweeps();
  await vi.waitFor(async () => expect(await sweeps()).toBeGreaterThanOrEqual(before + 3), { timeout: 30_000 });
  expect((await rig.workflow(id).describe()).historyLength).toBe(atRest);
});

/** As an event that was delivered late. */
function staleReading(n: number): RowChanged {
  const id = randomUUID();
  const cause = { eventId: id, correlationId: id, traceparent: `00-${id.replaceAll('-', '')}-0000000000000001-01` };
  return { type: 'rowChanged', sequence: 1 + (n % 2), generation: 1, desiredState: 'running', cause };
}
