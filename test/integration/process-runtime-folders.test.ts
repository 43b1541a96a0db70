import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ProcessSpec } from '../../runtimes/process/spec.ts';
import { endAgents } from '../../runtimes/process/end-agents.ts';
import { listProcesses } from '../../runtimes/process/process-table.ts';
import { removeFolder } from '../../runtimes/process/remove-folder.ts';
import type { ProvisionRequest, Runtime } from '../../runtimes/runtime.ts';
import { collectExits, context, createAgentRig, killAgent, processesOf } from '../support/process-agents.ts';

let rig: Awaited<ReturnType<typeof createAgentRig>>;
let runtime: Runtime<ProcessSpec>;
let secret: string;

type Request = ProvisionRequest<ProcessSpec>;

beforeEach(async () => {
  rig = await createAgentRig();
  runtime = rig.openRuntime();
  secret = join(await mkdtemp(join(tmpdir(), 'elsewhere-')), 'secret');
  await writeFile(secret, 'root:x:0:0');
});
afterEach(async () => {
  await rig.dispose();
  await rm(join(secret, '..'), { recursive: true });
});

/** What an agent can put in the place of a file. */
const inPlaces: Record<string, (path: string) => unknown> = {
  'a FIFO': (path) => execFileSync('/usr/bin/mkfifo', [path]),
  'a link to a file': (path) => symlink(secret, path),
  'a link to a FIFO': (path) => {
    execFileSync('/usr/bin/mkfifo', [`${path}.fifo`]);
    return symlink(`${path}.fifo`, path);
  },
  'a link to itself': (path) => symlink(path, path),
  'a link to a folder': (path) => symlink(join(secret, '..'), path),
  'a folder': async (path) => {
    await mkdir(path);
    await writeFile(join(path, 'more'), '');
  },
  'a socket': async (path) => {
    const server = createServer();
    // By a short name: those of sockets are limited. Closing removes it, so it is moved first.
    const name = join(tmpdir(), randomUUID());
    await new Promise<void>((resolve) => server.listen(name, resolve));
    execFileSync('mv', [name, path]);
    server.close();
  },
  'a sparse file of a terabyte': async (path) => {
    await writeFile(path, '');
    await truncate(path, 2 ** 40);
  },
};
const files = [
  'agent.log',
  'agent.previous.log',
  'start.json',
  'start.json.new',
  'reported',
  'reported.new',
  'config.json',
  'config.json.new',
  'ready',
  'state',
];

test.each(Object.entries(inPlaces))(
  '%s in the place of a file stops neither its instance nor the others, and nothing behind it is told',
  async (_, put) => {
    const good = rig.request();
    const bad = files.map((file) => ({ file, request: rig.request({ stop_grace_seconds: 0 }) }));
    const all = [good, ...bad.map(({ request }) => request)];
    await Promise.all(all.map((request) => runtime.provision(request, context())));
    for (const { file, request } of bad) {
      const place = join(rig.folderOf(request.instanceId), file);
      await rm(place, { recursive: true, force: true });
      await put(place);
    }
    const worker = rig.openRuntime();
    const { exits, report } = collectExits();
    await worker.watch(report);
    const listed = (await worker.list())?.map(({ instanceId }) => instanceId) ?? [];
    expect(listed.toSorted()).toEqual(all.map(({ instanceId }) => instanceId).toSorted());

    await Promise.all(all.map(({ instanceId }) => killAgent(instanceId)));
    // All but those whose record is gone.
    await vi.waitUntil(() => exits.length === all.length - 1);
    const described = await Promise.all(all.map(({ instanceId }) => worker.describe(instanceId)));
    expect(JSON.stringify([exits, described])).not.toMatch(/root:x|\\u0000/);

    await Promise.all(
      bad.map(async ({ request }) => {
        await worker.provision({ ...request, generation: 2 }, context());
        expect(await processesOf(request.instanceId)).toHaveLength(1);
        await worker.cleanUp(request.instanceId, context());
        expect(await processesOf(request.instanceId)).toEqual([]);
        expect(existsSync(rig.folderOf(request.instanceId))).toBe(false);
      }),
    );
    expect(await readFile(secret, 'utf8')).toBe('root:x:0:0');
  },
);

test('what stands in the place of whole folders stops neither a worker nor those who end agents', async () => {
  const good = rig.request();
  await runtime.provision(good, context());
  const bad = Object.values(inPlaces).map(() => randomUUID());
  for (const [index, put] of Object.values(inPlaces).entries()) await put(rig.folderOf(bad[index] ?? ''));
  await mkdir(rig.folderOf('not a uuid'));
  const worker = rig.openRuntime();
  const { exits, report } = collectExits();
  await worker.watch(report);
  expect((await worker.list())?.map(({ instanceId }) => instanceId).toSorted()).toEqual(
    [good.instanceId, ...bad].toSorted(),
  );
  await endAgents(rig.directory).catch(() => undefined);
  await vi.waitUntil(() => exits.length > 0);
  expect(exits[0]?.instanceId).toBe(good.instanceId);
  for (const instanceId of bad) {
    await worker.cleanUp(instanceId, context());
    expect(existsSync(rig.folderOf(instanceId))).toBe(false);
  }
  expect(await readFile(secret, 'utf8')).toBe('root:x:0:0');
});

test('claims that no worker made keep nobody waiting', async () => {
  const request = rig.request();
  await runtime.provision(request, context());
  const claims = join(rig.directory, '.claims');
  const name = `instance-${request.instanceId}`;
  const own = async (): Promise<string> => {
    const stat = await readFile('/proc/self/stat', 'latin1');
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).slice(0, 8);
    return `${name}.${process.pid}.${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}-${boot}`;
  };
  execFileSync('/usr/bin/mkfifo', [join(claims, await own())]);
  await mkdir(join(claims, `${name}.1.%`));
  await writeFile(join(claims, `${name}.x`), '');
  await runtime.provision({ ...request, generation: 2 }, context());
  expect(await processesOf(request.instanceId)).toHaveLength(1);
});

test('folders that their user can no longer read are removed all the same', async () => {
  const folder = join(rig.directory, 'unreadable');
  await mkdir(join(folder, 'a', 'b'), { recursive: true });
  await writeFile(join(folder, 'a', 'b', 'c'), '');
  await symlink(secret, join(folder, 'a', 'link'));
  for (const path of ['a/b', 'a', '']) await chmod(join(folder, path), 0);
  await removeFolder(folder);
  expect(existsSync(folder)).toBe(false);
  expect(existsSync(secret)).toBe(true);
});

test.each([
  {
    what: 'a clean-up',
    act: (own: Runtime<ProcessSpec>, { instanceId }: Request) => own.cleanUp(instanceId, context()),
  },
  { what: 'a start', act: (own: Runtime<ProcessSpec>, request: Request) => own.provision(request, context()) },
])('$what leaves the agent alone that another host on this machine runs for the instance', async ({ act }) => {
  const other = await createAgentRig();
  try {
    const request = rig.request({ script: 'sleep 1000 & sleep 1000' });
    const neighbour = other.openRuntime();
    await runtime.provision(request, context());
    // A record without a pid, as a worker leaves behind that is killed during a start, makes the next call search all processes.
    const record = join(rig.folderOf(request.instanceId), 'start.json');
    const { process: _, ...intent } = JSON.parse(await readFile(record, 'utf8')) as { process: unknown };
    await neighbour.provision(request, context());
    const untouched = await vi.waitUntil(async () => {
      const all = (await listProcesses()).filter(
        ({ instanceFolder }) => instanceFolder === other.folderOf(request.instanceId),
      );
      return all.length > 1 && all.map(({ pid }) => pid);
    });
    await writeFile(record, JSON.stringify({ ...intent, phase: 'starting' }));
    await act(runtime, request);
    expect(await processesOf(request.instanceId)).toEqual(expect.arrayContaining(untouched));
    await neighbour.cleanUp(request.instanceId, context());
    const left = await processesOf(request.instanceId);
    expect(left.filter((pid) => untouched.includes(pid))).toEqual([]);
  } finally {
    await other.dispose();
  }
});
