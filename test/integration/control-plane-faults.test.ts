import { randomInt } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, inject, onTestFailed, onTestFinished, test, vi } from 'vitest';
import { controlQueueName } from '../../contracts/names.ts';
import { stackRoot } from '../../stack/paths.ts';
import { choosePorts } from '../../stack/ports.ts';
import { startRabbitmq } from '../../stack/rabbitmq.ts';
import { resetStack } from '../../stack/stack.ts';
import { openControl } from '../support/control.ts';
import { openRig } from '../support/rig.ts';
import { startWorkerProcess } from '../support/worker-process.ts';

test('kill -9 of agents_worker at any moment leaves each running instance its queue, and no other', async () => {
  const rig = await openRig();
  const control = openControl(rig, inject('servers').managementUrl);
  let worker = startWorkerProcess('agents-worker', rig.environment);
  onTestFinished(async () => {
    await worker.kill('SIGTERM');
    await rig.close();
  });
  const delaysMs: number[] = [];
  onTestFailed(() => void process.stderr.write(`killed after ${delaysMs.join(', ')} ms\n`));

  await rig.startEventBroker();
  const agentId = await rig.publishAgent({ control: true });
  // The first life says that the worker is up: without it, the first kill would only hit its start.
  const kept = [await rig.insertInstance(agentId)];
  const deleted: string[] = [];
  await rig.bus.until(kept[0] ?? '', 'instance.updated', 'running');
  for (let round = 0; round < 6; round += 1) {
    const [a, b] = await Promise.all([rig.insertInstance(agentId), rig.insertInstance(agentId)]);
    const delayMs = randomInt(0, 200);
    delaysMs.push(delayMs);
    const deletion = delay(randomInt(0, 200)).then(() => rig.deleteInstance(b));
    await delay(delayMs);
    await worker.kill('SIGKILL');
    await deletion;
    worker = startWorkerProcess('agents-worker', rig.environment);
    kept.push(a);
    deleted.push(b);
    await rig.bus.until(a, 'instance.updated', 'running');
  }
  for (const id of deleted) await rig.workflow(id).result();
  expect((await control.queues()).toSorted()).toEqual(kept.map(controlQueueName).toSorted());
  for (const id of kept) expect(await control.keysOf(controlQueueName(id))).toEqual([id, agentId].toSorted());
}, 240_000);

test('with RabbitMQ away, provisioning is retried and the instance is not failed', async () => {
  const directory = join(stackRoot, 'control-plane');
  await resetStack(directory);
  await mkdir(directory, { recursive: true });
  const ports = await choosePorts('free');
  const startBus = () =>
    startRabbitmq({
      directory,
      port: ports.amqp,
      managementPort: ports.management,
      epmdPort: ports.epmd,
      distributionPort: ports.distribution,
    });
  let server = await startBus();
  onTestFinished(async () => {
    await server.stop();
    await resetStack(directory);
  });
  const rig = await openRig({
    servers: { ...inject('servers'), amqpUrl: server.url, managementUrl: server.managementUrl },
  });
  onTestFinished(() => rig.close());
  await rig.startAll();

  const restart = { policy: 'always', backoff_seconds: 0 };
  const id = await rig.insertInstance(
    await openControl(rig, server.managementUrl).publishAgent({ runtime: { restart } }),
  );
  await rig.bus.until(id, 'instance.updated', 'running');
  const [before = 0] = await rig.processes(id);
  await server.kill();
  process.kill(before, 'SIGKILL');
  await vi.waitFor(
    async () => {
      const { raw } = await rig.workflow(id).describe();
      expect(raw.pendingActivities?.[0]?.lastFailure).toMatchObject({
        applicationFailureInfo: { type: 'ControlPlaneUnavailable' },
      });
    },
    { timeout: 30_000 },
  );
  expect(await rig.processes(id)).toEqual([]);

  server = await startBus();
  await vi.waitFor(async () => expect(await rig.processes(id)).toHaveLength(1), { timeout: 60_000 });
  const { rows } = await rig.pool.query(
    `select distinct notification->'row_data'->>'status' as status from event_log where entity_id = $1`,
    [id],
  );
  expect(rows).not.toContainEqual({ status: 'failed' });
}, 180_000);
