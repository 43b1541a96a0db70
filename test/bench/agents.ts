import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { createProcessRuntime } from '../../runtimes/process/process-runtime.ts';
import { isAlive } from '../../runtimes/process/process-table.ts';
import { processSpec } from '../../runtimes/process/spec.ts';

/**
 * `npm run bench:agents`: the CPU time of the worker and its launcher for one start, one stop, and one restart after a crash, while many
 * agents run on the host. It needs Linux, but no server.
 */
const { values: given } = parseArgs({
  options: {
    running: { type: 'string', default: '10,100,1000' },
    times: { type: 'string', default: '30' },
    /** As where the host has or allows no cgroups. */
    'without-cgroups': { type: 'boolean', default: false },
    /** Gives each agent a user of its own, which needs root. */
    users: { type: 'boolean', default: false },
  },
});
const counts = given.running.split(',').map(Number);
const times = Number(given.times);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const directory = await mkdtemp(join(tmpdir(), 'bench-agents-'));
const runtime = createProcessRuntime({
  directory,
  logger: pino({ level: 'silent' }),
  cgroups: !given['without-cgroups'],
  agentUsers: given.users ? { first: 288_000, last: 291_000 } : undefined,
});
const context = { signal: new AbortController().signal, heartbeat: (): void => undefined };
const running: string[] = [];

const requestOf = (instanceId: string) => ({
  instanceId,
  agentId: instanceId,
  generation: 1,
  config: {},
  spec: processSpec.parse({ kind: 'process', command: ['sleep', '1000000'] }),
});
const start = (instanceId: string) => runtime.provision(requestOf(instanceId), context);
const stop = (instanceId: string) => runtime.cleanUp(instanceId, context);

async function crash(instanceId: string): Promise<void> {
  const record = JSON.parse(await readFile(join(directory, `instance-${instanceId}`, 'start.json'), 'utf8'));
  process.kill(record.process.pid, 'SIGKILL');
  while (isAlive(record.process)) await setTimeout(1);
  await start(instanceId);
}

/** The times of the threads of the launcher are in nanoseconds. */
function launcherMs(): number {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
  const launcher = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('launcher.mjs'));
  const tasks = `/proc/${launcher}/task`;
  const ofThreads = readdirSync(tasks).map((task) =>
    Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]),
  );
  return ofThreads.reduce((sum, time) => sum + time, 0) / 1e6;
}

function workerMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
}

/** The CPU time of one call, in milliseconds, and how long it takes. */
async function measure(calls: (() => Promise<unknown>)[]): Promise<string> {
  const before = { worker: workerMs(), launcher: launcherMs(), at: performance.now() };
  for (const call of calls) await call();
  const each = (total: number, digits: number): string => (total / calls.length).toFixed(digits).padStart(6);
  const worker = each(workerMs() - before.worker, 2);
  const launcher = each(launcherMs() - before.launcher, 2);
  return `${worker} ${launcher} ${each(performance.now() - before.at, 1)}`;
}

/** Runs work on all items, a few at once. */
async function forAll(ids: readonly string[], work: (id: string) => Promise<unknown>): Promise<void> {
  const left = [...ids];
  const take = async (): Promise<void> => {
    for (let id = left.pop(); id !== undefined; id = left.pop()) await work(id);
  };
  await Promise.all(Array.from({ length: 8 }, take));
}

try {
  say('for each call: CPU ms of the worker, CPU ms of its launcher, ms until it is done');
  say('running  start                  stop                   restart after a crash');
  for (const count of counts) {
    const more = Array.from({ length: count - running.length }, () => randomUUID());
    running.push(...more);
    await forAll(more, start);
    const ids = Array.from({ length: times }, () => randomUUID());
    const started = await measure(ids.map((id) => () => start(id)));
    const crashed = await measure(ids.map((id) => () => crash(id)));
    const stopped = await measure(ids.map((id) => () => stop(id)));
    say(`${String(count).padStart(7)}  ${started}   ${stopped}   ${crashed}`);
  }
} finally {
  await forAll(running, stop);
  await runtime.close();
  await rm(directory, { recursive: true, force: true });
}
