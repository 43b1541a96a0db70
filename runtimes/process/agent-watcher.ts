import { setImmediate } from 'node:timers/promises';
import type { ChildProcess } from 'node:child_process';
import type { Logger } from 'pino';
import { createExitReporter, type Report } from '../exit-reporter.ts';
import type { RuntimeExit } from '../runtime.ts';
import { describeExit, hasEnded, hasFailed } from './exit.ts';
import type { InstanceFolder } from './instance-folder.ts';
import type { ProcessIdentity } from './process-entry.ts';
import { isAlive, pidExists } from './process-table.ts';

export interface WatchedAgent {
  instanceId: string;
  runtimeId: string;
  folder: InstanceFolder;
  identity: ProcessIdentity;
  /** Present when this process started the agent. It then sees the end at once, with the exit code. */
  child?: ChildProcess;
}

type EndedAgent = Omit<WatchedAgent, 'identity' | 'child'>;
type HowItEnded = Pick<RuntimeExit, 'kind' | 'failed'>;

export type AgentWatcher = ReturnType<typeof createAgentWatcher>;

interface WatcherOptions {
  logger: Logger;
  pollIntervalMs: number;
}

/** After this many agents, a poll lets other work have its turn. The agents of one batch take about a millisecond. */
const pollBatch = 64;
/** Every tenth poll also compares start times, which is too slow for each poll of thousands of agents. */
const thoroughEvery = 10;

export function createAgentWatcher({ logger, pollIntervalMs }: WatcherOptions) {
  const adopted = new Map<string, WatchedAgent>();
  const known = new Set<string>();
  const reporter = createExitReporter(logger);
  let timer: NodeJS.Timeout | undefined;
  let polls = 0;

  /** Watches an agent, unless it is already watched as well as this, or its end is being reported. */
  function add(agent: WatchedAgent): void {
    const { runtimeId, child } = agent;
    const watchedBetter = known.has(runtimeId) && !(child && adopted.delete(runtimeId));
    if (watchedBetter || reporter.signal.aborted) return;
    known.add(runtimeId);
    const onExit = (): void => ended(agent, { kind: 'exited', failed: hasFailed(child) }, describeExit(child));
    if (child === undefined) adopted.set(runtimeId, agent);
    else if (hasEnded(child)) onExit();
    else child.once('exit', onExit);
  }

  /** Reports the end of an agent that this process found gone. */
  function addLost(agent: EndedAgent): void {
    if (known.has(agent.runtimeId)) return;
    known.add(agent.runtimeId);
    ended(agent, { kind: 'lost', failed: true }, 'The agent ended while no worker watched it.');
  }

  function ended({ folder, instanceId, runtimeId }: EndedAgent, how: HowItEnded, sentence: string): void {
    if (reporter.signal.aborted) return;
    const attempt = async (report: Report): Promise<void> => {
      // An end that any worker asked for, or that a new start has superseded, is not reported.
      const record = await folder.readRecord();
      if (record?.runtimeId !== runtimeId || record.phase !== 'running') return;
      await report({ instanceId, runtimeId, ...how, message: `${sentence} ${await folder.lastOutput()}` });
      await folder.writeReported(runtimeId);
      logger.info({ instanceId, runtimeId, kind: how.kind }, sentence);
    };
    void reporter.deliver({ instanceId, runtimeId }, attempt).finally(() => known.delete(runtimeId));
  }

  async function poll(): Promise<void> {
    let looked = 0;
    polls += 1;
    const remains = (agent: WatchedAgent): boolean =>
      polls % thoroughEvery === 0 ? isAlive(agent.identity) : pidExists(agent.identity.pid);
    for (const [runtimeId, agent] of adopted) {
      looked += 1;
      if (looked % pollBatch === 0) await setImmediate();
      if (remains(agent)) continue;
      adopted.delete(runtimeId);
      ended(agent, { kind: 'exited', failed: true }, describeExit());
    }
  }

  function schedulePoll(): void {
    if (reporter.signal.aborted) return;
    timer = setTimeout(() => {
      poll()
        .catch((error: unknown) => logger.error({ err: error }, 'the agents cannot be polled; trying again'))
        .finally(schedulePoll);
    }, pollIntervalMs).unref();
  }

  return {
    add,
    addLost,
    start(report: Report): void {
      reporter.start(report);
      schedulePoll();
    },
    close(): void {
      clearTimeout(timer);
      reporter.close();
    },
  };
}
