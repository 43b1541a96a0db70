import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { drainHost, forgetHost, listHosts, undrainHost } from '../../database/hosts/hosts.ts';
import { endAgents } from '../../runtimes/process/end-agents.ts';
import { createProcessRuntime } from '../../runtimes/process/process-runtime.ts';
import { loseHost } from '../support/hosts.ts';
import { useRig } from '../support/rig.ts';
import { openTcpProxy } from '../support/tcp-proxy.ts';
import type { Service } from '../../workers/services/service.ts';
import { pino } from 'pino';

/** Hosts are folders of their own, each with a worker. A host is lost when its worker has stopped for longer than its lease. */
const leaseSeconds = 3;
const rig = useRig({
  settings: { HOST_LEASE_SECONDS: String(leaseSeconds), SWEEP_INTERVAL_SECONDS: '2' },
  services: ['event_broker'],
});
/** For hosts that no test loses by waiting: a pause of a busy machine does not end their leases. */
const steady = { HOST_LEASE_SECONDS: '60' };
const patience = { timeout: 45_000, interval: 100 };

let agentId: string;
beforeAll(async () => {
  agentId = await rig.publishAgent();
});

interface Host {
  id: string;
  name: string;
  directory: string;
  /** Instances whose agents run in the folder. */
  agents: () => Promise<string[]>;
  start: () => Promise<void>;
  stop: () => Promise<void>;
}

const opened: Host[] = [];
async function closeHosts(): Promise<void> {
  await rig.pool.query('delete from instances');
  for (const host of opened) await host.start();
  for (const host of opened) await undrainHost(rig.pool, host.id);
  await vi.waitFor(async () => expect((await rig.pool.query('select from placements')).rows).toEqual([]), patience);
  for (const host of opened.splice(0)) {
    expect(await host.agents()).toEqual([]);
    await host.stop();
    await endAgents(host.directory);
    await rm(host.directory, { recursive: true, force: true });
  }
  await rig.pool.query('delete from hosts');
}
afterEach(closeHosts, 90_000);

async function openHost(name: string, settings: Record<string, string> = {}): Promise<Host> {
  const directory = await mkdtemp(join(tmpdir(), `${name}-`));
  const runtime = createProcessRuntime({ directory, logger: pino({ level: 'silent' }) });
  let service: Service | undefined;
  const host: Host = {
    id: '',
    name,
    directory,
    agents: async () => {
      const kept = (await runtime.list()) ?? [];
      return kept.map(({ instanceId }) => instanceId);
    },
    start: async () => {
      if (service) return;
      service = await rig.startAgentsWorker({ ...settings, HOST_NAME: name, RUNTIME_DIRECTORY: directory });
      await service.ready();
    },
    stop: async () => {
      await service?.stop();
      service = undefined;
    },
  };
  opened.push(host);
  await host.start();
  const found = (await listHosts(rig.pool)).find((each) => each.name === name);
  host.id = found?.id ?? '';
  return host;
}

async function stateOf(
  id: string,
): Promise<{ status: string; code: string | null; host_id: string | null; message: string | null }> {
  const { rows } = await rig.pool.query<Awaited<ReturnType<typeof stateOf>>>(
    `select status, metadata #>> '{status_reason,code}' as code, metadata #>> '{status_reason,message}' as message, host_id
     from instances where id = $1`,
    [id],
  );
  return rows[0] ?? { status: 'gone', code: null, host_id: null, message: null };
}
const untilState = (id: string, state: object) =>
  vi.waitFor(async () => expect(await stateOf(id)).toMatchObject(state), patience);
const runOn = async (host: Host, agent = agentId): Promise<string> => {
  const id = await rig.insertInstance(agent);
  await untilState(id, { status: 'running', host_id: host.id });
  return id;
};

test('instances spread over the hosts, and their stop, change and deletion reach the host of each', async () => {
  const hosts = [await openHost('anna', steady), await openHost('bert', steady), await openHost('cleo', steady)];
  const ids = await Promise.all(Array.from({ length: 9 }, () => rig.insertInstance(agentId)));
  await Promise.all(ids.map((id) => untilState(id, { status: 'running' })));
  expect((await Promise.all(hosts.map((host) => host.agents()))).map((agents) => agents.length)).toEqual([3, 3, 3]);
  const before = await Promise.all(ids.map(rig.processes));
  const [stopped = '', changed = '', deleted = '', ...others] = ids;
  await rig.pool.query(`update instances set desired_state = 'stopped' where id = $1`, [stopped]);
  await rig.pool.query(`update instances set config = '{"a": 1}' where id = $1`, [changed]);
  await rig.deleteInstance(deleted);
  await untilState(stopped, { status: 'stopped', host_id: null });
  await vi.waitFor(async () => {
    const { rows } = await rig.pool.query(
      `select from instances where id = $1 and status = 'running' and observed_generation = 2`,
      [changed],
    );
    expect(rows).toHaveLength(1);
  }, patience);
  await vi.waitFor(async () => expect(await rig.processes(deleted)).toEqual([]), patience);
  expect(await rig.processes(stopped)).toEqual([]);
  expect(await rig.processes(changed)).toHaveLength(1);
  expect(await rig.processes(changed)).not.toEqual(before[1]);
  expect(await Promise.all(others.map(rig.processes))).toEqual(before.slice(3));
}, 120_000);

test('instances of a lost host say so within its lease, and come back untouched when it does', async () => {
  const [anna, bert] = [await openHost('anna'), await openHost('bert')];
  await drainHost(rig.pool, bert.id, 1);
  const ids = [await runOn(anna), await runOn(anna)];
  await undrainHost(rig.pool, bert.id);
  const before = await Promise.all(ids.map(rig.processes));
  await anna.stop();
  for (const id of ids) {
    await untilState(id, {
      status: 'pending',
      code: 'host_lost',
      host_id: anna.id,
      message: expect.stringContaining('anna'),
    });
  }
  expect(await Promise.all(ids.map(rig.processes))).toEqual(before);
  // A wish that comes meanwhile waits for the host.
  await rig.deleteInstance(ids[1] ?? '');
  await anna.start();
  await untilState(ids[0] ?? '', { status: 'running', code: null, host_id: anna.id });
  expect(await rig.processes(ids[0] ?? '')).toEqual(before[0]);
  await vi.waitFor(async () => expect(await rig.processes(ids[1] ?? '')).toEqual([]), patience);
}, 120_000);

test('nothing is placed on a host whose worker does not reach Temporal, until it does', async () => {
  const temporal = await openTcpProxy(rig.environment.TEMPORAL_ADDRESS);
  onTestFinished(() => temporal.cut());
  const anna = await openHost('anna', steady);
  const bert = await openHost('bert', { TEMPORAL_ADDRESS: temporal.address });
  const workersOf = async (name: string) => {
    const host = (await listHosts(rig.pool)).find((each) => each.name === name);
    return host?.workers.length;
  };
  await vi.waitFor(async () => expect([await workersOf('anna'), await workersOf('bert')]).toEqual([1, 1]), patience);
  try {
    const saidBefore = rig.log.length;
    await temporal.cut();
    await vi.waitFor(
      () =>
        expect(rig.log.slice(saidBefore)).toContainEqual(
          expect.objectContaining({ msg: expect.stringContaining('temporal_namespace cannot do its work') }),
        ),
      patience,
    );
    await vi.waitFor(async () => expect(await workersOf('bert')).toBe(0), patience);
    for (let count = 0; count < 3; count++) await runOn(anna);
  } finally {
    // A worker that does not reach Temporal does not end.
    await temporal.restore();
  }
  await vi.waitFor(async () => expect(await workersOf('bert')).toBe(1), patience);
  await runOn(bert);
  await closeHosts();
}, 120_000);

test('an instance says why no host takes it, and runs as soon as one does', async () => {
  await openHost('anna', { HOST_CAPACITY: '1', HOST_LABELS: 'zone=a' });
  const ids = [await rig.insertInstance(agentId), await rig.insertInstance(agentId)];
  await vi.waitFor(async () => {
    const states = await Promise.all(ids.map(stateOf));
    expect(states.map(({ code }) => code).toSorted((one, other) => String(one).localeCompare(String(other)))).toEqual([
      'no_host',
      null,
    ]);
  }, patience);
  const special = await rig.insertInstance(await rig.publishAgent({ host_labels: { zone: 'b' } }));
  await untilState(special, { status: 'pending', code: 'no_host', message: expect.stringContaining('zone=b') });
  const bert = await openHost('bert', { HOST_LABELS: 'zone=b,disk=ssd' });
  await untilState(special, { status: 'running', host_id: bert.id });
  for (const id of ids) await untilState(id, { status: 'running' });
}, 120_000);

test('a drained host is left by one instance after the other, and gets none', async () => {
  const anna = await openHost('anna');
  const ids = [await runOn(anna), await runOn(anna), await runOn(anna)];
  await drainHost(rig.pool, anna.id, 1);
  await vi.waitFor(async () => {
    const [host] = await listHosts(rig.pool);
    expect(host?.drain).toMatchObject({ moving: 0, waiting: 3, left: 3 });
  }, patience);
  const bert = await openHost('bert');
  let mostMoving = 0;
  await vi.waitFor(async () => {
    const hosts = await listHosts(rig.pool);
    const drain = hosts.find(({ id }) => id === anna.id)?.drain;
    mostMoving = Math.max(mostMoving, drain?.moving ?? 0);
    expect(drain).toMatchObject({ left: 0 });
  }, patience);
  expect(mostMoving).toBe(1);
  for (const id of ids) {
    await untilState(id, { status: 'running', code: null, host_id: bert.id });
    expect(await rig.processes(id)).toHaveLength(1);
  }
  await runOn(bert);
  expect(await anna.agents()).toEqual([]);
}, 120_000);

test('a forgotten host gives its instances away, and what it still holds is removed when it comes back', async () => {
  const anna = await openHost('anna', steady);
  const [goes, ends] = [await runOn(anna), await runOn(anna)];
  const bert = await openHost('bert', steady);
  expect(await forgetHost(rig.pool, anna.id)).toBe('alive');
  await anna.stop();
  await loseHost(rig.pool, anna.id);
  await untilState(goes, { code: 'host_lost' });
  await rig.deleteInstance(ends);
  const left = await rig.processes(goes);
  expect(await forgetHost(rig.pool, anna.id)).toBe('forgotten');
  await untilState(goes, { status: 'running', host_id: bert.id });
  await vi.waitFor(async () => expect((await listHosts(rig.pool)).map(({ id }) => id)).toEqual([bert.id]), patience);
  await anna.start();
  await vi.waitFor(async () => expect(await anna.agents()).toEqual([]), patience);
  const [pid, ...others] = await rig.processes(goes);
  expect(others).toEqual([]);
  expect(left).not.toContain(pid);
  await untilState(goes, { status: 'running', host_id: bert.id });
}, 120_000);

test('agents from before there were hosts are taken over where they run', async () => {
  const anna = await openHost('anna', steady);
  const id = await runOn(anna);
  const before = await rig.processes(id);
  await anna.stop();
  // A workflow from that time knows of no host.
  await rig.workflow(id).terminate('by hand');
  await rig.pool.query('delete from placements');
  await rig.pool.query('delete from hosts');
  await rm(join(anna.directory, '.host'));
  await anna.start();
  const [host] = await listHosts(rig.pool);
  expect(host).toMatchObject({ name: 'anna', placed: 1 });
  expect(await stateOf(id)).toMatchObject({ status: 'running', host_id: host?.id });
  expect(await rig.processes(id)).toEqual(before);
  anna.id = host?.id ?? '';
}, 120_000);

test('a worker is not ready while it cannot renew the lease of its host, and says so', async () => {
  const anna = await openHost('anna');
  await rig.pool.query('revoke execute on function renew_host_lease from agents_worker');
  onTestFinished(
    async () => void (await rig.pool.query('grant execute on function renew_host_lease to agents_worker')),
  );
  await vi.waitFor(
    () =>
      expect(rig.log).toContainEqual(
        expect.objectContaining({ msg: expect.stringContaining('host_process cannot do its work') }),
      ),
    patience,
  );
  await rig.pool.query('grant execute on function renew_host_lease to agents_worker');
  await vi.waitFor(
    async () => expect(await listHosts(rig.pool)).toMatchObject([{ id: anna.id, lease: { holds: true } }]),
    patience,
  );
}, 60_000);
