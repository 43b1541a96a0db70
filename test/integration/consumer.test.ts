import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GetMessage } from 'amqplib';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { Service } from '../../workers/services/service.ts';
import { readHistory } from '../support/history.ts';
import { one, useRig } from '../support/rig.ts';

const rig = useRig({ services: ['event_broker'] });
let agentId: string;
let starts: string;
let worker: Service | undefined;

beforeAll(async () => {
  starts = join(rig.environment.RUNTIME_DIRECTORY, 'starts');
  agentId = await rig.publishAgent({
    command: ['sh', '-c', 'echo "$INSTANCE_ID" >> "$STARTS"; exec sleep 100000'],
    environment: { STARTS: starts },
  });
});
afterEach(() => worker?.stop());

async function startWorker(): Promise<void> {
  worker = await rig.startAgentsWorker();
  await worker.ready();
}

async function startsOf(id: string): Promise<number> {
  return (await readFile(starts, 'utf8')).split('\n').filter((line) => line === id).length;
}

const update = (id: string, assignment: string) =>
  rig.pool.query(`update instances set ${assignment} where id = $1`, [id]);

const untilRow = (id: string, expected: object) =>
  vi.waitFor(
    async () =>
      expect(one((await rig.pool.query('select * from instances where id = $1', [id])).rows)).toMatchObject(expected),
    { timeout: 20_000 },
  );

/** Everything was consumed that was published before: an instance inserted later runs. */
async function untilConsumed(): Promise<void> {
  await rig.untilBusIsQuiet();
  await rig.bus.until(await rig.insertInstance(agentId), 'instance.updated', 'running');
}

const queue = 'agents_worker.instance';

/** Takes what waits in the queue, and puts it back as a client of the bus would that has lost the order. */
async function reorder(change: (messages: GetMessage[]) => GetMessage[]): Promise<void> {
  await rig.untilBusIsQuiet();
  const messages: GetMessage[] = [];
  for (;;) {
    const message = await rig.bus.channel.get(queue, { noAck: true });
    if (!message) break;
    messages.push(message);
  }
  for (const { content, properties } of change(messages)) {
    await rig.bus.publish('', queue, content.toString('utf8'), properties);
  }
}

test('the same message twice provisions once', async () => {
  await startWorker();
  const id = await rig.insertInstance(agentId);
  const { body, headers } = await rig.bus.until(id, 'instance.created');
  for (let repeat = 0; repeat < 3; repeat += 1) {
    await rig.bus.publish('events.topic', 'instance.created', JSON.stringify(body), { headers });
  }
  await rig.bus.until(id, 'instance.updated', 'running');
  await untilConsumed();
  const { activities } = await readHistory(rig.workflow(id));
  expect(activities.filter((name) => name === 'place')).toHaveLength(1);
  expect([await startsOf(id), await rig.processes(id)]).toEqual([1, [expect.any(Number)]]);
});

test('an echo never reaches Temporal: one signal for each thing asked for, whatever the status writes', async () => {
  await startWorker();
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  await untilConsumed();
  expect((await readHistory(rig.workflow(id))).signals).toBe(1);

  await update(id, `metadata = '{"note": "nothing to do"}'`);
  await untilConsumed();
  expect((await readHistory(rig.workflow(id))).signals).toBe(1);

  await update(id, `desired_state = 'stopped'`);
  await rig.bus.until(id, 'instance.updated', 'stopped');
  await untilConsumed();
  expect((await readHistory(rig.workflow(id))).signals).toBe(2);
});

test('events of one life that come reversed and twice end where the row is', async () => {
  const kept = await rig.insertInstance(agentId);
  await update(kept, `desired_state = 'stopped'`);
  await update(kept, `desired_state = 'running'`);
  const deleted = await rig.insertInstance(agentId);
  await update(deleted, `config = '{"a": 1}'`);
  await rig.deleteInstance(deleted);
  await reorder((messages) => [...messages.toReversed(), ...messages]);

  await startWorker();
  await untilRow(kept, { status: 'running', observed_generation: '3' });
  await rig.bus.until(deleted, 'instance.updated', 'stopped');
  await untilConsumed();
  expect(await rig.processes(kept)).toHaveLength(1);
  expect(await startsOf(kept)).toBe(1);
  expect([await rig.processes(deleted), await startsOf(deleted)]).toEqual([[], 0]);
  await rig.workflow(deleted).result();
});

test('deleted before created: nothing is provisioned, and the last word is stopped, once', async () => {
  const id = await rig.insertInstance(agentId);
  await rig.deleteInstance(id);
  await reorder((messages) => messages.toReversed());
  await startWorker();
  await rig.bus.until(id, 'instance.updated', 'stopped');
  await untilConsumed();
  await rig.workflow(id).result();
  await rig.untilBusIsQuiet();
  expect(rig.bus.of(id).map(({ type }) => type)).toEqual(['instance.created', 'instance.deleted', 'instance.updated']);
  expect([await rig.processes(id), await startsOf(id)]).toEqual([[], 0]);
});

test('1 MB of config: the instance runs, and nothing of the config is in a history', async () => {
  await startWorker();
  const marker = 'the-config-speaks';
  const id = await rig.insertInstance(agentId, { marker, pad: 'x'.repeat(1_000_000) });
  await rig.bus.until(id, 'instance.updated', 'running');
  const { text } = await readHistory(rig.workflow(id));
  expect(text).toContain(id);
  expect(text).toContain(agentId);
  expect(text).not.toContain(marker);
  expect(text.length).toBeLessThan(100_000);
});
