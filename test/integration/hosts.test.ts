import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { listHosts, undrainHost } from '../../database/hosts/hosts.ts';
import { endAgents } from '../../runtimes/process/end-agents.ts';
import { createProcessRuntime } from '../../runtimes/process/process-runtime.ts';
import { useRig } from '../support/rig.ts';
import type { Service } from '../../workers/services/service.ts';
import { pino } from 'pino';

/** Hosts are folders of their own, each with a worker. A host is lost when its worker has stopped for longer than its lease. */
const leaseSeconds = 3;
const rig = useRig({
  settings: { HOST_LEASE_SECONDS: String(leaseSeconds), SWEEP_INTERVAL_SECONDS: '2' },
  services: ['event_broker'],
});
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

test('agents from before there were hosts are taken over where they run', async () => {
  const anna = await openHost('anna');
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
