import { setTimeout as delay } from 'node:timers/promises';
import type { MarkedProcess, ProcessIdentity } from '../../runtimes/process/process-entry.ts';
import { isAlive, listProcesses } from '../../runtimes/process/process-table.ts';
import { openRig } from '../support/rig.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';

/** Runs the engine in its own processes on the real servers, and watches all its instances. */
export type System = Awaited<ReturnType<typeof openSystem>>;

const services = { 'agents-worker': 'agents_worker', 'event-broker': 'event_broker' } as const;
type Entry = keyof typeof services;

const watchIntervalMs = 500;

export async function openSystem() {
  const rig = await openRig({ settings: { SWEEP_INTERVAL_SECONDS: '1', LOG_LEVEL: 'warn' } });
  const workers = new Map<Entry, WorkerProcess>();
  const counts = new Map<string, number>();
  const overlaps = new Map<string, number[]>();
  const closing = new AbortController();

  const start = (entry: Entry): void =>
    void workers.set(entry, startWorkerProcess(entry, rig.environmentOf(services[entry])));
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);

  /** At no moment may two agents run for one instance. Each is the leader of a process group. */
  const watch = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      for (const [name, [first, second]] of groupByInstance(await listProcesses())) {
        // The list was not read at one moment. The second agent is alive here, and the first, older one still is after that.
        if (first && second && isAlive(second) && isAlive(first)) overlaps.set(name, [first.pid, second.pid]);
      }
      await delay(watchIntervalMs, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  };

  start('event-broker');
  start('agents-worker');
  const watching = watch();
  // The broker declares the queues before it publishes, so no message that a test puts into them is lost.
  await rig.untilBusIsQuiet();

  return {
    rig,
    counts: counts as ReadonlyMap<string, number>,
    count,
    overlapsOf: (id: string): number[] => overlaps.get(`instance-${id}`) ?? [],
    /** The agent of an instance. */
    agentOf: async (id: string): Promise<ProcessIdentity | undefined> =>
      (await listProcesses()).find(
        ({ instanceName, pid, group }) => instanceName === `instance-${id}` && pid === group,
      ),
    restart: async (entry: Entry, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
      await workers.get(entry)?.kill(signal);
      start(entry);
      count(`${signal === 'SIGKILL' ? 'kill' : 'restart'}-${entry}`);
    },
    /** The output of the engine's processes since they were last started. */
    output: (): string => [...workers.values()].map(({ output }) => output()).join('\n'),
    close: async (): Promise<void> => {
      closing.abort();
      await watching;
      await Promise.all([...workers.values()].map(({ kill }) => kill('SIGTERM')));
      await rig.close();
    },
  };
}

function groupByInstance(processes: readonly MarkedProcess[]): Map<string, MarkedProcess[]> {
  const leaders = new Map<string, MarkedProcess[]>();
  for (const found of processes) {
    const { instanceName, pid, group } = found;
    if (instanceName === undefined || pid !== group) continue;
    leaders.set(instanceName, [...(leaders.get(instanceName) ?? []), found]);
  }
  return leaders;
}
