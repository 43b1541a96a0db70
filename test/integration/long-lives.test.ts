import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test, vi } from 'vitest';
import { instanceWorkflowId } from '../../contracts/names.ts';
import { instanceStateQuery } from '../../workflows/instance-state-query.ts';
import { instanceMessageSignal, type RowChanged } from '../../workflows/messages.ts';
import { messagesOf, useCountingBundle } from '../support/counting-bundle.ts';
import { useRig } from '../support/rig.ts';

/** A fifth of the 20,000 that must be borne, which take minutes: `LONG_LIFE_SIGNALS=20000` sends them all. */
const total = Number(process.env['LONG_LIFE_SIGNALS'] ?? 4_000);
const atOnce = 100;
const rig = useRig({
  // While a run continues as another, a sweep may see neither, and would add a signal of its own.
  settings: { SWEEP_INTERVAL_SECONDS: '3600' },
  makeBundle: useCountingBundle(),
  services: ['event_broker', 'agents_worker'],
});
let agentId: string;

beforeAll(async () => {
  agentId = await rig.publishAgent();
});

test(`${total} signals to one instance are all accounted for, over bounded histories`, async () => {
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  const handle = rig.workflow(id);
  const heard = async () => messagesOf(await handle.query(instanceStateQuery));
  const before = await heard();
  // Temporal holds up to 100 signals back for a workflow task under way: as many senders as that, who wait to be heard.
  for (let sent = 0; sent < total; sent += atOnce) {
    await Promise.all(
      Array.from({ length: atOnce }, async (_, n) => handle.signal(instanceMessageSignal, staleReading(n))),
    );
    await vi.waitFor(async () => expect(await heard()).toBe(before + sent + atOnce), { timeout: 30_000, interval: 5 });
  }

  const runs: number[] = [];
  for await (const run of rig.client.workflow.list({ query: `WorkflowId = '${instanceWorkflowId(id)}'` })) {
    runs.push(run.historyLength ?? Infinity);
  }
  expect(runs.length).toBeGreaterThan(2);
  expect(Math.max(...runs)).toBeLessThan(2_000);
  expect(await rig.processes(id)).toHaveLength(1);
  await rig.deleteInstance(id);
  await rig.bus.until(id, 'instance.updated', 'stopped');
}, 400_000);

/** As an event that was delivered late. */
function staleReading(n: number): RowChanged {
  const id = randomUUID();
  const cause = { eventId: id, correlationId: id, traceparent: `00-${id.replaceAll('-', '')}-0000000000000001-01` };
  return { type: 'rowChanged', sequence: 1 + (n % 2), generation: 1, desiredState: 'running', cause };
}
