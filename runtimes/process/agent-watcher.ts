import { setImmediate } from 'node:timers/promises';
import type { ChildProcess } from 'node:child_process';
import pRetry from 'p-retry';
import type { Logger } from 'pino';
import type { RuntimeExit } from '../runtime.ts';
import { describeExit, hasEnded, hasFailed } from './exit.ts';
import type { InstanceFolder } from './instance-folder.ts';
import { isAlive, pidExists } from './process-table.ts';
import type { ProcessIdentity } from './process-entry.ts';

export interface WatchedAgent {
  instanceId: string;
  runtimeId: string;
  folder: InstanceFolder;
  identity: ProcessIdentity;
  /** Known when this process started the agent: its end is then seen at once, with its exit code. */
  child?: ChildProcess;
}

type HowItEnded = Pick<RuntimeExit, 'kind' | 'failed'>;
type Report = (exit: RuntimeExit) => Promise<void>;

export type AgentWatcher = ReturnType<typeof createAgentWatcher>;

interface WatcherOptions {
  logger: Logger;
  pollIntervalMs: number;
}

/** How many agents are looked at before other work gets its turn (at most about a millisecond). */
const pollBatch = 64;
/** Every so many polls, the start times are compared as well, which is what costs time when there are thousands. */
const thoroughEvery = 10;

export function createAgentWatcher({ logger, pollIntervalMs }: WatcherOptions) {
  const adopted = new Map<string, WatchedAgent>();
  const known = new Set<string>();
  const closing = new AbortController();
  let startReporting!: (report: Report) => void;
  const reporting = new Promise<Report>((resolve) => {
    startReporting = resolve;
  });
  let timer: NodeJS.Timeout | undefined;
  let polls = 0;

  /** Watches an agent from now on. One that is watched as well already, or whose end is being reported, is left alone. */
  function add(agent: WatchedAgent): void {
    const { runtimeId, child } = agent;
    const watchedBetter = known.has(runtimeId) && !(child && adopted.delete(runtimeId));
    if (watchedBetter || closing.signal.aborted) return;
    known.add(runtimeId);
    const onExit = (): void => ended(agent, { kind: 'exited', failed: hasFailed(child) }, describeExit(child));
    if (child === undefined) adopted.set(runtimeId, agent);
    else if (hasEnded(child)) onExit();
    else child.once('exit', onExit);
  }

  /** An agent that was found gone when this process looked for it. */
  function addLost(agent: Omit<WatchedAgent, 'identity'>): void {
    if (known.has(agent.runtimeId)) return;
    known.add(agent.runtimeId);
    ended(agent, { kind: 'lost', failed: true }, 'The agent was found gone after a time in which nobody watched it.');
  }

  function ended(agent: Omit<WatchedAgent, 'identity'>, how: HowItEnded, sentence: string): void {
    if (closing.signal.aborted) return;
    deliver(agent, how, sentence)
      .catch((error: unknown) => {
        // On closing: the next process to watch finds the agent gone and its end not reported.
        if (!closing.signal.aborted)
          logger.error({ err: error, ...identify(agent) }, 'the end of an agent is not reported');
      })
      .finally(() => known.delete(agent.runtimeId));
  }

  async function deliver(agent: Omit<WatchedAgent, 'identity'>, how: HowItEnded, sentence: string) {
    const { folder, instanceId, runtimeId } = agent;
    const report = await reporting;
    const attempt = async (): Promise<void> => {
      // Says also when the agent was asked to end, by whichever worker: then, and once it is replaced, its end is no news.
      const record = await folder.readRecord();
      if (record?.runtimeId !== runtimeId || record.phase !== 'running') return;
      const exit = { instanceId, runtimeId, ...how, message: `${sentence} ${await folder.lastOutput()}` };
      // Wrapped, because the retrying library takes a TypeError for a mistake that is not worth another try.
      await report(exit).catch((cause: unknown) => Promise.reject(new Error('the report was not accepted', { cause })));
      await folder.writeReported(runtimeId);
      logger.info({ ...identify(agent), kind: how.kind }, sentence);
    };
    await pRetry(attempt, {
      retries: Infinity,
      minTimeout: 250,
      maxTimeout: 30_000,
      randomize: true,
      unref: true,
      signal: closing.signal,
      onFailedAttempt: ({ error, attemptNumber }) =>
        logger.warn({ err: error, ...identify(agent), attemptNumber }, 'the end of an agent is not reported yet'),
    });
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
    if (closing.signal.aborted) return;
    timer = setTimeout(() => {
      poll()
        .catch((error: unknown) => logger.error({ err: error }, 'agents cannot be looked at; trying again'))
        .finally(schedulePoll);
    }, pollIntervalMs).unref();
  }

  return {
    add,
    addLost,
    start(report: Report): void {
      startReporting(report);
      schedulePoll();
    },
    close(): void {
      clearTimeout(timer);
      closing.abort(new Error('the watcher is closed'));
    },
  };
}

function identify({ instanceId, runtimeId }: Pick<WatchedAgent, 'instanceId' | 'runtimeId'>) {
  return { instanceId, runtimeId };
}
