import { access, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import type { ProcessSpec } from './spec.ts';
import { instanceNameOf } from '../instance-name.ts';
import { RuntimeUnavailable } from '../runtime.ts';
import type { EffectContext, KeptInstance, Runtime } from '../runtime.ts';
import { withHeartbeat } from '../with-heartbeat.ts';
import { createLauncher } from './launcher/start-launcher.ts';
import { openHostCgroups, type HostCgroups } from './agent-cgroups.ts';
import { createAgentLifecycle } from './agent-lifecycle.ts';
import { createAgentSearch } from './agent-search.ts';
import { createAgentUsers, type UserRange } from './agent-users.ts';
import { createAgentWatcher } from './agent-watcher.ts';
import { listInstanceIds } from './changed-records.ts';
import { describeAgent } from './describe-agent.ts';
import { errorCode } from './error-code.ts';
import { exclusively } from './exclusive.ts';
import { ensureWatchdog } from './fence/start-watchdog.ts';
import { createHostLease } from './fence/renew-lease.ts';
import { createFolderWorkers } from './folder-workers.ts';
import { findIdentity, identifyFolder } from './host-identity.ts';
import { instanceFolder } from './instance-folder.ts';
import { repeat, type Repeating } from './repeat.ts';
import type { HostEnvironment } from './start-agent.ts';

export interface ProcessRuntimeOptions {
  /**
   * The folder that holds one folder per instance, `instance-<instance id>`. It is created when missing. All its workers
   * must see each other's processes, so never put it on a disk that hosts or containers share.
   */
  directory: string;
  logger: Logger;
  /** The range that gives each agent a user of its own, which needs root. Without it, agents run as the worker's user. */
  agentUsers?: UserRange | undefined;
  /** The source of PATH, HOME, LANG and TZ of the agents. No other variable reaches an agent. */
  hostEnvironment?: HostEnvironment;
  /** Makes no folder and no identity where there is none yet. */
  readOnly?: boolean;
  /** The interval at which agents that other workers started are polled. Every third poll looks for new ones. The worker sees the end of its own at once. */
  pollIntervalMs?: number;
  /** Without cgroups, the end of each agent searches all processes of the host, as where the system has or allows none. */
  cgroups?: boolean;
}

/** A look at the records of thousands of agents takes tens of milliseconds. */
const searchEvery = 3;

/** Runs each agent as a process of this host. The process outlives the worker that started it (see README.md). */
export function createProcessRuntime({
  directory,
  logger,
  hostEnvironment = {},
  readOnly = false,
  agentUsers,
  pollIntervalMs = 1000,
  cgroups = true,
}: ProcessRuntimeOptions): Runtime<ProcessSpec> {
  const root = resolve(directory);
  const folderOf = (instanceId: string) => instanceFolder(root, instanceNameOf(instanceId));
  const users = agentUsers && createAgentUsers(root, agentUsers);
  const claims = join(root, '.claims');
  const workers = createFolderWorkers(root);
  const watcher = createAgentWatcher({ claims: join(claims, 'ends'), workers, logger });
  const search = createAgentSearch({ directory: root, folderOf, watcher, workers, logger });
  const launcher = createLauncher();
  const { provision, cleanUp } = createAgentLifecycle({
    launcher,
    folderOf,
    watcher,
    workerId: workers.ownId,
    ensureFence: () => ensureWatchdog(root),
    logger,
    hostEnvironment,
    users,
    openCgroups,
  });
  let hostCgroups: Promise<HostCgroups | undefined> | undefined;
  let polling: Repeating | undefined;
  let polls = 0;

  return {
    provision: (request, context) =>
      guarded(context, () =>
        exclusively(claims, instanceNameOf(request.instanceId), () => provision(request, context)),
      ),
    cleanUp: (instanceId, context) =>
      guarded(context, () => exclusively(claims, instanceNameOf(instanceId), () => cleanUp(instanceId, context))),

    async watch(report) {
      await mkdir(root, { recursive: true, mode: 0o700 });
      workers.enter();
      await lookAround();
      watcher.start(report);
      polling = repeat(poll, {
        intervalMs: pollIntervalMs,
        onError: (error) => logger.error({ err: error }, 'the agents cannot be polled; trying again'),
      });
    },

    list,

    lease: createHostLease(root, logger),
    identify: () => (readOnly ? findIdentity(root) : identifyFolder(root)),

    async describe(instanceId) {
      const folder = folderOf(instanceId);
      await access(root).catch((cause: unknown) => {
        const advice = 'run this on the host of agents_worker, with its RUNTIME_DIRECTORY.';
        throw new Error(`The folder ${directory} does not exist here: ${advice}`, { cause });
      });
      return describeAgent(folder);
    },

    async close() {
      polling?.stop();
      watcher.close();
      launcher.close();
      workers.leave();
    },
  };

  async function openCgroups(): Promise<HostCgroups | undefined> {
    if (!cgroups) return undefined;
    hostCgroups ??= findCgroups();
    return hostCgroups;
  }

  async function findCgroups(): Promise<HostCgroups | undefined> {
    // A folder without an identity is no host. Its worker says so at its start.
    const id = await identifyFolder(root).catch(() => undefined);
    const found = id === undefined ? undefined : openHostCgroups(id);
    logger.info(found ? 'each agent gets a cgroup' : 'agents get no cgroups, so each end searches the process table');
    return found;
  }

  async function list(): Promise<KeptInstance[]> {
    await mkdir(root, { recursive: true, mode: 0o700 });
    const kept: KeptInstance[] = [];
    for (const instanceId of listInstanceIds(root)) {
      const record = await folderOf(instanceId)
        .readRecord()
        .catch((error: unknown) => {
          logger.warn({ err: error, instanceId }, 'the folder of an instance cannot be read');
          return undefined;
        });
      kept.push({ instanceId, generation: record?.generation });
    }
    return kept;
  }

  async function lookAround(): Promise<void> {
    workers.look();
    const needsFence = await search();
    if (!needsFence) return;
    ensureWatchdog(root).catch((error: unknown) =>
      logger.error({ err: error }, 'nothing ends agents when the lease of the host runs out; trying again'),
    );
  }

  async function poll(): Promise<void> {
    polls += 1;
    if (polls % searchEvery === 0) await lookAround();
    else workers.look();
    await watcher.poll();
  }
}

/** Turns an error of the host, such as a full disk, into RuntimeUnavailable, after which the caller tries again. */
async function guarded<T>(context: EffectContext, work: () => Promise<T>): Promise<T> {
  try {
    return await withHeartbeat(context, work);
  } catch (error) {
    if (error === context.signal.reason || !(error instanceof Error) || !('syscall' in error)) throw error;
    const refusal = `${String(error.syscall)}, ${errorCode(error) ?? 'for an unknown reason'}`;
    throw new RuntimeUnavailable(`The host refuses an operation on the agent's processes or files (${refusal}).`, {
      cause: error,
    });
  }
}
