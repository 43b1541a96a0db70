import { access, mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { ProcessSpec } from './spec.ts';
import { instanceNameOf } from '../instance-name.ts';
import { RuntimeUnavailable } from '../runtime.ts';
import type { EffectContext, KeptInstance, Runtime } from '../runtime.ts';
import { hasHeldSince, writeLeaseStamp } from '../host-lease.ts';
import { withHeartbeat } from '../with-heartbeat.ts';
import { createAgentLifecycle } from './agent-lifecycle.ts';
import { createAgentUsers, type UserRange } from './agent-users.ts';
import { createAgentWatcher } from './agent-watcher.ts';
import { describeAgent } from './describe-agent.ts';
import { errorCode } from './error-code.ts';
import { exclusively } from './exclusive.ts';
import { identifyFolder } from './host-identity.ts';
import { instanceFolder } from './instance-folder.ts';
import { isAlive } from './process-table.ts';
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
  /** The interval at which agents that an earlier worker started are polled. The worker sees the end of its own at once. */
  pollIntervalMs?: number;
}

const uuid = z.guid();
const folderPrefix = 'instance-';

/** Runs each agent as a process of this host. The process outlives the worker that started it (see README.md). */
export function createProcessRuntime({
  directory,
  logger,
  hostEnvironment = {},
  agentUsers,
  pollIntervalMs = 1000,
}: ProcessRuntimeOptions): Runtime<ProcessSpec> {
  const root = resolve(directory);
  const folderOf = (instanceId: string) => instanceFolder(root, instanceNameOf(instanceId));
  const leaseFile = join(root, '.lease');
  const users = agentUsers && createAgentUsers(root, agentUsers);
  const watcher = createAgentWatcher({ logger, pollIntervalMs });
  const { provision, cleanUp } = createAgentLifecycle({ folderOf, watcher, logger, hostEnvironment, users });

  return {
    provision: (request, context) =>
      guarded(context, () => exclusively(root, instanceNameOf(request.instanceId), () => provision(request, context))),
    cleanUp: (instanceId, context) =>
      guarded(context, () => exclusively(root, instanceNameOf(instanceId), () => cleanUp(instanceId, context))),

    async watch(report) {
      for (const { instanceId } of await list()) {
        await watchFound(instanceId).catch((error: unknown) =>
          logger.error({ err: error, instanceId }, 'an agent is not watched, because its folder cannot be read'),
        );
      }
      watcher.start(report);
    },

    list,

    lease: {
      async renewed(renewal) {
        await mkdir(root, { recursive: true, mode: 0o700 });
        writeLeaseStamp(leaseFile, renewal);
      },
      hasHeldSince: (time) => hasHeldSince(leaseFile, time),
    },
    identify: () => identifyFolder(root),

    async describe(instanceId) {
      const folder = folderOf(instanceId);
      await access(root).catch((cause: unknown) => {
        const advice = 'run this on the host of agents_worker, with its RUNTIME_DIRECTORY.';
        throw new Error(`The folder ${directory} does not exist here: ${advice}`, { cause });
      });
      return describeAgent(folder);
    },

    close: async () => watcher.close(),
  };

  async function list(): Promise<KeptInstance[]> {
    await mkdir(root, { recursive: true, mode: 0o700 });
    const names = await readdir(root);
    const ids = names.flatMap((name) => (name.startsWith(folderPrefix) ? [name.slice(folderPrefix.length)] : []));
    const kept: KeptInstance[] = [];
    // An agent that runs as the worker's user can create entries with any name.
    for (const instanceId of ids.filter((id) => uuid.safeParse(id).success)) {
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

  async function watchFound(instanceId: string): Promise<void> {
    const folder = folderOf(instanceId);
    const record = await folder.readRecord();
    // A start or an end that was interrupted is finished by the repeat of its call.
    if (!record?.process || record.phase !== 'running') return;
    const { runtimeId, process: identity } = record;
    if (isAlive(identity)) watcher.add({ instanceId, runtimeId, folder, identity });
    else if ((await folder.readReported()) !== runtimeId) watcher.addLost({ instanceId, runtimeId, folder });
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
