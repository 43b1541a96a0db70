import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, inject, test, vi } from 'vitest';
import type { Service } from '../../workers/services/service.ts';
import { readHistory } from '../support/history.ts';
import { one, useRig } from '../support/rig.ts';
import { openTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

let temporal: TcpProxy;
// Hooks run in reverse order: the rig closes first, through the proxy.
afterAll(() => temporal.cut());
const rig = useRig({
  // The sweeper would tell the workflows, too, once Temporal is back.
  settings: { SWEEP_INTERVAL_SECONDS: '3600' },
  openServers: async () => {
    const servers = inject('servers');
    temporal = await openTcpProxy(servers.temporalAddress);
    return { ...servers, temporalAddress: temporal.address };
  },
});
let agentId: string;
let starts: string;
let broker: Service;
let worker: Service;

beforeAll(async () => {
  starts = join(rig.environment.RUNTIME_DIRECTORY, 'starts');
  agentId = await rig.publishAgent({
    command: ['sh', '-c', 'echo "$INSTANCE_ID" >> "$STARTS"; exec sleep 100000'],
    environment: { STARTS: starts },
  });
  await Promise.all([startBroker(), startWorker()]);
});
afterEach(() => temporal.restore());

async function startBroker(): Promise<void> {
  broker = await rig.startEventBroker();
  await broker.ready();
}

async function startWorker(): Promise<void> {
  worker = await rig.startAgentsWorker();
  await worker.ready();
}

const logged = (text: string): number => rig.log.filter(({ msg }) => msg.includes(text)).length;

interface Part {
  name: string;
  ready: boolean;
  lastError?: string;
}

/** Whether Temporal accepts what agents_worker asks for. */
async function healthOfCalls(): Promise<Part> {
  const response = await fetch(`http://127.0.0.1:${worker.healthPort}/ready`);
  const { parts } = (await response.json()) as { parts: Part[] };
  return one(parts.filter(({ name }) => name === 'temporal_calls'));
}

/** Messages that wait in the queue, next to those that the consumer holds. */
const untilWaiting = (count: number) =>
  vi.waitFor(async () => {
    const queue = await rig.bus.channel.checkQueue('agents_worker.instance');
    expect(queue.messageCount).toBe(count);
    return queue;
  });

async function insertMany(count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) ids.push(await rig.insertInstance(agentId));
  return ids;
}

async function expectOneLifeEach(ids: string[]): Promise<void> {
  for (const id of ids) await rig.bus.until(id, 'instance.updated', 'running');
  await rig.untilBusIsQuiet();
  // An agent runs a moment before it writes down that it started.
  const started = await vi.waitFor(async () => {
    const lines = (await readFile(starts, 'utf8')).trim().split('\n');
    expect(lines).toEqual(expect.arrayContaining(ids));
    return lines;
  });
  for (const id of ids) {
    expect(
      started.filter((line) => line === id),
      `starts of ${id}`,
    ).toHaveLength(1);
    expect((await readHistory(rig.workflow(id))).signals).toBe(1);
  }
  expect(await rig.bus.channel.get('agents_worker.instance.dead')).toBe(false);
}

test('while Temporal is away, messages are held and tried again in place; once it is back they are handled', async () => {
  await expectOneLifeEach(await insertMany(1));
  const sessions = logged('agents_worker is ready');
  await temporal.cut();
  // Four more than the consumer takes at once: they wait in the queue.
  const ids = await insertMany(68);
  for (const id of ids) await rig.bus.until(id, 'instance.created');
  await vi.waitFor(async () => expect(await healthOfCalls()).toMatchObject({ ready: false }), { timeout: 60_000 });
  expect((await healthOfCalls()).lastError).toContain('Start Temporal, or correct TEMPORAL_ADDRESS');
  await vi.waitFor(() => expect(logged('Temporal does not accept a call')).toBeGreaterThan(0));
  expect(await untilWaiting(4)).toMatchObject({ consumerCount: 1 });

  await temporal.restore();
  await expectOneLifeEach(ids);
  await vi.waitFor(async () => expect(await healthOfCalls()).toEqual({ name: 'temporal_calls', ready: true }));
  // A session that had ended would have had them all delivered again.
  expect(logged('agents_worker is ready')).toBe(sessions);
  expect(logged('message dead-lettered')).toBe(0);
}, 180_000);

test('a stop while Temporal is away takes no longer than any other, and what was held comes again', async () => {
  await temporal.cut();
  const ids = await insertMany(3);
  for (const id of ids) await rig.bus.until(id, 'instance.created');
  await untilWaiting(0);
  const before = Date.now();
  await worker.stop();
  expect(Date.now() - before).toBeLessThan(12_000);
  expect(logged('it is given up')).toBe(0);

  await temporal.restore();
  await startWorker();
  await expectOneLifeEach(ids);
}, 120_000);

test('services that are stopped and started in the middle of traffic lose nothing and do nothing twice', async () => {
  const ids: string[] = [];
  let inserting = true;
  const traffic = (async () => {
    while (inserting) {
      ids.push(await rig.insertInstance(agentId));
      await delay(50);
    }
  })();
  const until = (count: number): Promise<unknown> => vi.waitUntil(() => ids.length >= count, { timeout: 20_000 });
  for (let round = 1; round <= 3; round += 1) {
    await until(round * 8);
    await worker.stop();
    await broker.stop();
    await Promise.all([startBroker(), startWorker()]);
  }
  inserting = false;
  await traffic;
  await expectOneLifeEach(ids);
}, 180_000);
