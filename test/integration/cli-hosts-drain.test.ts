import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfiguration } from '../../configuration/configuration.ts';
import { endAgents } from '../../runtimes/process/end-agents.ts';
import { startAgentsWorker } from '../../workers/services/agents-worker.ts';
import type { Service } from '../../workers/services/service.ts';
import { runInstances } from '../support/command-line.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig({ services: ['event_broker', 'agents_worker'], settings: { HOST_NAME: 'worker-1' } });
let directory: string;
let second: Service;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'instances-'));
  const environment = { ...rig.environmentOf('agents_worker'), RUNTIME_DIRECTORY: directory, HOST_NAME: 'worker-2' };
  second = await startAgentsWorker({
    configuration: readConfiguration(environment),
    logger: pino({ level: 'silent' }),
    onFatal: (error) => rig.fatal.push(error),
  });
  await second.ready();
});

afterAll(async () => {
  await second.stop();
  await endAgents(directory);
  await rm(directory, { recursive: true });
});

test('a drain moves every instance to the other host, says its progress, and ends when nothing is left', async () => {
  const run = (...args: string[]) => runInstances(['hosts', ...args], { DATABASE_URL: rig.environment.DATABASE_URL });
  const placed = async (): Promise<Record<string, number>> => {
    const hosts = JSON.parse((await run('list', '--json')).out) as { name: string; placed: number }[];
    return Object.fromEntries(hosts.map(({ name, placed: count }) => [name, count]));
  };
  await expect.poll(placed, { timeout: 20_000 }).toEqual({ 'worker-1': 0, 'worker-2': 0 });
  const agent = await rig.publishAgent();
  const ids = [await rig.insertInstance(agent), await rig.insertInstance(agent)];
  for (const id of ids) await rig.bus.until(id, 'instance.updated', 'running');
  expect(await placed(), 'instances are spread').toEqual({ 'worker-1': 1, 'worker-2': 1 });

  expect(await run('drain', 'worker-1', '--wait')).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^The host worker-1 is drained\./),
    errors: expect.stringMatching(/worker-1: 1 left, [01] moving\.\n[^]*worker-1: drained\.\n$/),
  });
  await expect.poll(placed).toEqual({ 'worker-1': 0, 'worker-2': 2 });
  for (const id of ids) await expect.poll(() => rig.processes(id), { timeout: 20_000 }).toHaveLength(1);
});
