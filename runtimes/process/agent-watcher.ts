import { join } from 'node:path';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createExitReporter, type Report } from '../exit-reporter.ts';
import type { RuntimeExit } from '../runtime.ts';
import { AtWorkElsewhere, exclusively } from './exclusive.ts';
import { describeExit, hasFailed } from './exit.ts';
import type { FolderWorkers } from './folder-workers.ts';
import type { InstanceFolder } from './instance-folder.ts';
import type { Launched } from './launcher/start-launcher.ts';
import type { ProcessIdentity } from './process-entry.ts';
import { isAlive, pidExists } from './process-table.ts';

export interface WatchedAgent {
  instanceId: string;
  runtimeId: string;
  folder: InstanceFolder;
  identity: ProcessIdentity;
  /** The worker that started the agent. It alone knows the exit code. */
  startedBy?: string | undefined;
  /** Present when this worker started the agent. It then learns the end at once, with the exit code. */
  launched?: Launched;
}

type EndedAgent = Omit<WatchedAgent, 'identity' | 'launched'>;
interface End extends Pick<RuntimeExit, 'kind' | 'failed'> {
  /** A sentence that says how the agent ended. */
  what: string;
}

export type AgentWatcher = ReturnType<typeof createAgentWatcher>;

interface WatcherOptions {
  /** The folder of the claims on reports. */
  claims: string;
  workers: FolderWorkers;
  logger: Logger;
}

const fenced: End = {
  kind: 'lost',
  failed: true,
  what: 'The host ended the agent, because it could not renew its lease in time.',
};

/** After this many agents, a poll lets other work have its turn. The agents of one batch take about a millisecond. */
const pollBatch = 64;
/**
 * Comparing start times is too slow for each poll of thousands of agents. It also shows that an agent has ended whose parent, a
 * paused worker, has not collected its exit code.
 */
const thoroughEvery = { polls: 10, pollsWhilePaused: 3 };

/** The pause of a worker that finds another one at the report of the same end. */
const contention = { leastMs: 200, furtherMs: 800 };

/**
 * Reports each end of an agent once, whichever worker of the folder started the agent: the worker that started it as long as it
 * acts, and otherwise one of those that see the end.
 */
export function createAgentWatcher({ claims, workers, logger }: WatcherOptions) {
  const adopted = new Map<string, WatchedAgent>();
  /** Ends that are left to the worker that started the agent, by instance. */
  const leftToOthers = new Map<string, { agent: EndedAgent; end: End }>();
  const known = new Set<string>();
  const reporter = createExitReporter(logger);
  let polls = 0;

  /** Watches an agent, unless it is already watched as well as this, or its end is being reported. */
  function add(agent: WatchedAgent): void {
    const { runtimeId, launched } = agent;
    const watchedBetter = known.has(runtimeId) && !(launched && adopted.delete(runtimeId));
    if (watchedBetter || reporter.signal.aborted) return;
    known.add(runtimeId);
    if (launched) void follow(agent, launched);
    else adopted.set(runtimeId, agent);
  }

  async function follow(agent: WatchedAgent, { ended }: Launched): Promise<void> {
    const exit = await ended;
    if (exit) reportEnd(agent, { kind: 'exited', failed: hasFailed(exit), what: describeExit(exit) });
    else if (!reporter.signal.aborted) adopted.set(agent.runtimeId, agent);
  }

  /** Sees to the report of an agent that this process found gone. */
  function addLost(agent: EndedAgent): void {
    if (known.has(agent.runtimeId)) return;
    known.add(agent.runtimeId);
    leave(agent, { kind: 'lost', failed: true, what: 'The agent ended while no worker watched it.' });
  }

  /** The record of the instance was replaced or removed, so an end before is no longer to be reported. */
  function forgetEnd(instanceId: string): void {
    const left = leftToOthers.get(instanceId);
    if (!left) return;
    leftToOthers.delete(instanceId);
    known.delete(left.agent.runtimeId);
  }

  /** Leaves the report to the worker that started the agent, for as long as that worker acts. */
  function leave(agent: EndedAgent, end: End): void {
    if (workers.stateOf(agent.startedBy) === 'acting') leftToOthers.set(agent.instanceId, { agent, end });
    else reportEnd(agent, end);
  }

  function reportEnd({ folder, instanceId, runtimeId }: EndedAgent, end: End): void {
    if (reporter.signal.aborted) return;
    const attempt = async (report: Report): Promise<void> => {
      // An end that any worker asked for, or that a new start has superseded, is not reported.
      const record = await folder.readRecord();
      if (record?.runtimeId !== runtimeId || record.phase !== 'running') return;
      if ((await folder.readReported()) === runtimeId) return;
      const { what, ...how } = (await folder.readFenced()) === runtimeId ? fenced : end;
      await report({ instanceId, runtimeId, ...how, message: `${what} ${await folder.lastOutput()}` });
      await folder.writeReported(runtimeId);
      logger.info({ instanceId, runtimeId, kind: how.kind }, what);
    };
    // Folders of few claims each, because a claim reads the names of all others in its folder.
    const folderOfClaims = join(claims, instanceId.slice(0, 2));
    const attemptAlone = async (report: Report): Promise<void> => {
      try {
        await exclusively(folderOfClaims, folder.name, () => attempt(report));
      } catch (error) {
        if (!(error instanceof AtWorkElsewhere)) throw error;
        // Two workers that see the end at the same time may both give way.
        await delay(contention.leastMs + Math.random() * contention.furtherMs, undefined, { ref: false });
        await attemptAlone(report);
      }
    };
    void reporter.deliver({ instanceId, runtimeId }, attemptAlone).finally(() => known.delete(runtimeId));
  }

  function remains({ identity, startedBy }: WatchedAgent): boolean {
    const every = workers.stateOf(startedBy) === 'paused' ? thoroughEvery.pollsWhilePaused : thoroughEvery.polls;
    return polls % every === 0 ? isAlive(identity) : pidExists(identity.pid);
  }

  /** Looks for ends that no event tells of. */
  async function poll(): Promise<void> {
    let looked = 0;
    polls += 1;
    for (const [runtimeId, agent] of adopted) {
      looked += 1;
      if (looked % pollBatch === 0) await setImmediate();
      if (remains(agent)) continue;
      adopted.delete(runtimeId);
      leave(agent, { kind: 'exited', failed: true, what: describeExit() });
    }
    for (const [instanceId, { agent, end }] of leftToOthers) {
      if (workers.stateOf(agent.startedBy) === 'acting') continue;
      leftToOthers.delete(instanceId);
      reportEnd(agent, end);
    }
  }

  return {
    add,
    addLost,
    forgetEnd,
    poll,
    /** Whether the agent is watched, or its end is being reported. */
    knows: (runtimeId: string): boolean => known.has(runtimeId),
    /** Ends that were found before this call are reported from now on. */
    start: (report: Report): void => reporter.start(report),
    close: (): void => reporter.close(),
  };
}
