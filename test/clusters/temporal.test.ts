import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test, vi } from 'vitest';

import { stackRoot } from '../../stack/paths.ts';
import { untilAsToldToUsers } from '../support/clusters/agreement.ts';
import { readDocumented } from '../support/clusters/documented.ts';
import { startHaproxy } from '../support/clusters/haproxy.ts';
import { startTemporalCluster, type TemporalCluster, type TemporalRole } from '../support/clusters/own-temporal.ts';
import { startUsers, waitOf, type Users } from '../support/clusters/users.ts';
import { buildsOfTasks, makeCurrent, settingsOf, untilPolled } from '../support/deployments.ts';
import { freePorts } from '../support/kubernetes/free-ports.ts';
import { openRig, useRig, type Rig } from '../support/rig.ts';

const programs = inject('temporalServer');
const haproxy = inject('haproxy');
const directory = join(stackRoot, 'clusters-temporal');
/** The times that docs/scale-out.md gives, with room for a busy machine. */
const limitMs = { frontend: 45_000, history: 75_000 };

const patience = { timeout: 120_000, interval: 50 };

describe.skipIf(programs === null || haproxy === null)('Temporal with each role in processes of its own', () => {
  let cluster: TemporalCluster;
  let address: string;
  const stops: (() => Promise<void>)[] = [];
  afterAll(async () => {
    for (const stop of stops.toReversed()) await stop();
  });

  async function openServers() {
    if (programs === null || haproxy === null) throw new Error('the programs are missing');
    const servers = inject('servers');
    const roles = { frontend: 2, history: 2, matching: 1, worker: 1 };
    cluster = await startTemporalCluster({ directory, programs, databaseUrl: servers.databaseUrl, roles });
    stops.push(() => cluster.stop());
    const [port = 0] = await freePorts(1);
    const configuration = (await readDocumented('docs/scale-out.md', 'haproxy')).replace(
      'bind :7233',
      `bind 127.0.0.1:${port}`,
    );
    const proxy = await startHaproxy({
      program: haproxy,
      configuration: withOwnFrontends(configuration, cluster),
      port,
    });
    stops.push(() => proxy.stop());
    address = `127.0.0.1:${port}`;
    return { ...servers, temporalAddress: address };
  }
  const rig = useRig({
    openServers,
    services: ['event_broker', 'agents_worker'],
    settings: { SWEEP_INTERVAL_SECONDS: '5' },
  });
  let agentId: string;
  beforeAll(async () => {
    agentId = await rig.publishAgent();
  });

  const failures: [
    what: string,
    service: 'frontend' | 'history',
    fail: (role: TemporalRole) => Promise<() => Promise<void>>,
  ][] = [
    ['is killed', 'frontend', killed],
    ['stands still', 'frontend', stopped],
    ['is killed', 'history', killed],
    ['stands still', 'history', stopped],
  ];

  test.each(failures.map(([what, service, fail]) => ({ what, service, fail })))(
    'each $service that $what in turn, under load: nothing is lost or doubled, and the others go on within a limit',
    async ({ what, service, fail }) => {
      const users = startUsers(rig, { agentId });
      const waits: number[] = [];
      for (const role of cluster.of(service)) {
        await untilWritten(users, 10);
        const repair = await fail(role);
        onTestFinished(repair);
        // The others bring about what was asked for shortly before and after, while the role is away.
        const asked = users.writes.length - 5;
        await untilWritten(users, 15);
        const writes = users.writes.slice(asked);
        await vi.waitFor(
          () => expect(writes.filter((write) => waitOf(rig, write) === undefined)).toEqual([]),
          patience,
        );
        waits.push(Math.max(...writes.map((write) => waitOf(rig, write) ?? Infinity)));
        await repair();
      }
      await users.stop();
      const { events, repeats } = await untilAsToldToUsers(rig, users.wishes.values());
      process.stdout.write(
        `A ${service} role ${what}: an instance waited for at most ${waits.join(' and ')} ms; ${users.writes.length} writes, ` +
          `${events} events, ${repeats} repeats\n`,
      );
      expect(Math.max(...waits)).toBeLessThan(limitMs[service]);
      expect(rig.fatal).toEqual([]);
    },
    300_000,
  );

  test('carries versioned workers, and gives each build its tasks', async () => {
    const own = await openRig({ servers: { ...inject('servers'), temporalAddress: address } });
    onTestFinished(() => own.close(), 90_000);
    await (await own.startEventBroker()).ready();
    const first = await startBuild(own, '1.0.0-a');
    await makeCurrent(own.client, first);
    const id = await own.insertInstance(await own.publishAgent());
    await own.bus.until(id, 'instance.updated', 'running');
    const second = await startBuild(own, '1.0.0-b');
    await makeCurrent(own.client, second);
    await own.deleteInstance(id);
    await own.workflow(id).result();
    expect(new Set(await buildsOfTasks(own.client, `instance/${id}`))).toEqual(new Set(['1.0.0-a', '1.0.0-b']));
  }, 180_000);
});

async function untilWritten({ writes }: Users, more: number): Promise<void> {
  const count = writes.length + more;
  await vi.waitFor(() => expect(writes.length).toBeGreaterThanOrEqual(count), patience);
}

async function startBuild(rig: Rig, buildId: string) {
  const build = { deploymentName: rig.environment.TASK_QUEUE, buildId };
  const worker = await rig.startAgentsWorker(settingsOf(build));
  await worker.ready();
  await untilPolled(rig.client, build, rig.environment.TASK_QUEUE);
  return build;
}

async function killed(role: TemporalRole): Promise<() => Promise<void>> {
  await role.kill();
  return once(() => role.start());
}

async function stopped(role: TemporalRole): Promise<() => Promise<void>> {
  role.pause();
  return once(async () => role.resume());
}

/** The test repairs what it broke, also when it fails in between. */
function once(repair: () => Promise<void>): () => Promise<void> {
  let repairing: Promise<void> | undefined;
  return () => (repairing ??= repair());
}

/** The documented configuration with the addresses of the tests' own frontends. */
function withOwnFrontends(configuration: string, cluster: TemporalCluster): string {
  return cluster
    .of('frontend')
    .reduce(
      (text, { address, httpPort }, index) =>
        text.replace(
          new RegExp(`(server frontend-${index + 1}) \\S+ check port \\d+`),
          `$1 ${address} check port ${httpPort}`,
        ),
      configuration,
    );
}
