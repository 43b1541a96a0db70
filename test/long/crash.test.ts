import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeAll, expect, inject, onTestFailed, test, vi } from 'vitest';
import { controlQueueName } from '../../contracts/names.ts';
import { openControl, type Control } from '../support/control.ts';
import { useRig } from '../support/rig.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';

const rig = useRig();
let control: Control;
let agentId: string;
let starts: string;
const processes: WorkerProcess[] = [];

beforeAll(async () => {
  control = openControl(rig, inject('servers').managementUrl);
  starts = join(rig.environment.RUNTIME_DIRECTORY, 'starts');
  agentId = await rig.publishAgent({
    command: ['sh', '-c', 'echo "$INSTANCE_ID" >> "$STARTS"; exec sleep 100000'],
    environment: { STARTS: starts },
    control: true,
  });
});

afterEach(async () => {
  await Promise.all(processes.splice(0).map(({ kill }) => kill('SIGTERM')));
});

/** Both in one process need the rights of both. */
const environmentOf = {
  'event-broker': () => rig.environmentOf('event_broker'),
  'agents-worker': () => rig.environmentOf('agents_worker'),
  all: () => ({ ...rig.environment, CONTROL_AMQP_URL: rig.environmentOf('agents_worker')['CONTROL_AMQP_URL'] ?? '' }),
};
const start = (entry: keyof typeof environmentOf): WorkerProcess => {
  const started = startWorkerProcess(entry, environmentOf[entry]());
  processes.push(started);
  return started;
};

/** Kills at some moment of the lives of three instances, again and again, and starts anew each time. */
async function crashRepeatedly(entry: 'event-broker' | 'agents-worker', rounds: number): Promise<void> {
  const delaysMs: number[] = [];
  const kept: string[] = [];
  const deleted: string[] = [];
  onTestFailed(() => {
    process.stderr.write(`killed after ${delaysMs.join(', ')} ms\n`);
  });

  let victim = start(entry);
  // The first life says that the victim is up: without it, the first kills would only hit its start.
  await rig.bus.until(await rig.insertInstance(agentId), 'instance.updated', 'running');
  for (let round = 0; round < rounds; round += 1) {
    const [a, b, c] = await Promise.all([1, 2, 3].map(() => rig.insertInstance(agentId)));
    const delayMs = randomInt(0, 200);
    delaysMs.push(delayMs);
    const deletion = delay(randomInt(0, 200)).then(() => rig.deleteInstance(c ?? ''));
    await delay(delayMs);
    await victim.kill('SIGKILL');
    await deletion;
    victim = start(entry);
    kept.push(a ?? '', b ?? '');
    deleted.push(c ?? '');
    await rig.bus.until(a ?? '', 'instance.updated', 'running');
  }

  for (const id of kept) await rig.bus.until(id, 'instance.updated', 'running');
  for (const id of deleted) await rig.bus.until(id, 'instance.updated', 'stopped');
  await rig.untilBusIsQuiet();
  // An agent runs a moment before it writes down that it started.
  const startsOf = await vi.waitFor(async () => {
    const found = countLines(await readFile(starts, 'utf8'));
    expect([...found.keys()]).toEqual(expect.arrayContaining(kept));
    return found;
  });
  for (const id of kept) {
    expect(await rig.processes(id), `processes of ${id}`).toHaveLength(1);
    expect(startsOf.get(id), `starts of ${id}`).toBe(1);
    expect(await control.keysOf(controlQueueName(id))).toEqual([id, agentId].toSorted());
  }
  for (const id of deleted) {
    await rig.workflow(id).result();
    expect(await rig.processes(id), `processes of the deleted ${id}`).toHaveLength(0);
    expect(startsOf.get(id) ?? 0, `starts of the deleted ${id}`).toBeLessThanOrEqual(1);
  }
  const queues = await control.queues();
  expect(deleted.filter((id) => queues.includes(controlQueueName(id)))).toEqual([]);
}

test('kill -9 of agents_worker at any moment: every instance converges, nothing runs twice or is left over', async () => {
  start('event-broker');
  await crashRepeatedly('agents-worker', 6);
}, 240_000);

test('kill -9 of event_broker at any moment: every instance converges, nothing runs twice or is left over', async () => {
  start('agents-worker');
  await crashRepeatedly('event-broker', 6);
}, 240_000);

test('SIGTERM ends each process with exit code 0, and leaves the agents running', async () => {
  const id = await rig.insertInstance(agentId);
  const both = start('all');
  await rig.bus.until(id, 'instance.updated', 'running');
  expect(await both.kill('SIGTERM')).toBe(0);
  await vi.waitFor(async () => expect(await rig.processes(id)).toHaveLength(1));
});

function countLines(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of text.trim().split('\n')) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}
