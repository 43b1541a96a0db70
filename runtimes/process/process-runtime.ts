import { access, mkdir, readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { ProcessSpec } from './spec.ts';
import { RuntimeUnavailable } from '../runtime.ts';
import type { EffectContext, KeptInstance, Runtime } from '../runtime.ts';
import { createAgentLifecycle } from './agent-lifecycle.ts';
import { createAgentUsers, type UserRange } from './agent-users.ts';
import { createAgentWatcher } from './agent-watcher.ts';
import { describeAgent } from './describe-agent.ts';
import { errorCode } from './error-code.ts';
import { exclusively } from './exclusive.ts';
import { instanceFolder } from './instance-folder.ts';
import { isAlive } from './process-table.ts';
import type { HostEnvironment } from './start-agent.ts';

export interface ProcessRuntimeOptions {
  /**
   * Holds one folder per instance, `instance-<instance id>`. Created when missing. Workers of one host share it and
   * must all see each other's processes: never put it on a disk that hosts or containers share.
   */
  directory: string;
  logger: Logger;
  /** A user for each agent, from this range. Left out: agents run as the worker's own user. Needs root. */
  agentUsers?: UserRange | undefined;
  /** Where PATH, HOME, LANG and TZ of the agents come from. Nothing else of it reaches an agent. */
  hostEnvironment?: HostEnvironment;
  /** How often agents that an earlier worker started are looked at; the end of own ones is seen at once. */
  pollIntervalMs?: number;
}

const uuid = z.guid();
const folderPrefix = 'instance-';
const heartbeatMs = 500;

/** Runs each agent as a process of this host, which outlives the worker that started it (see README.md). */
export function createProcessRuntime({
  directory,
  logger,
  hostEnvironment = {},
  agentUsers,
  pollIntervalMs = 1000,
}: ProcessRuntimeOptions): Runtime<ProcessSpec> {
  const root = resolve(directory);
  const folderOf = (instanceId: string) => instanceFolder(root, nameOf(instanceId));
  const users = agentUsers && createAgentUsers(root, agentUsers);
  const watcher = createAgentWatcher({ logger, pollIntervalMs });
  const { provision, cleanUp } = createAgentLifecycle({ folderOf, watcher, logger, hostEnvironment, users });

  return {
    provision: (request, context) =>
      guarded(context, () => exclusively(root, nameOf(request.instanceId), () => provision(request, context))),
    cleanUp: (instanceId, context) =>
      guarded(context, () => exclusively(root, nameOf(instanceId), () => cleanUp(instanceId, context))),

    async watch(report) {
      for (const { instanceId } of await list()) {
        await watchFound(instanceId).catch((error: unknown) =>
          logger.error({ err: error, instanceId }, 'an agent is not watched: its folder cannot be read'),
        );
      }
      watcher.start(report);
    },

    list,

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
    // An agent of the worker's user can put any name into the directory.
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
    // A start or an end that was under way is finished by the repeat of the call that began it.
    if (!record?.process || record.phase !== 'running') return;
    const { runtimeId, process: identity } = record;
    if (isAlive(identity)) watcher.add({ instanceId, runtimeId, folder, identity });
    else if ((await folder.readReported()) !== runtimeId) watcher.addLost({ instanceId, runtimeId, folder });
  }
}

function nameOf(instanceId: string): string {
  if (!/^[\w-]+$/.test(instanceId)) throw new TypeError(`An instance id is a uuid, not ${JSON.stringify(instanceId)}.`);
  return folderPrefix + instanceId;
}

/** Heartbeats while the work lasts, and says of what the host refuses (no disk, no process) that it can be tried again. */
async function guarded<T>({ signal, heartbeat }: EffectContext, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const timer = setInterval(heartbeat, heartbeatMs);
  try {
    return await work();
  } catch (error) {
    if (error === signal.reason || !(error instanceof Error) || !('syscall' in error)) throw error;
    const refusal = `${String(error.syscall)}, ${errorCode(error) ?? 'for an unknown reason'}`;
    throw new RuntimeUnavailable(`The host refuses what the agent's processes or files need (${refusal}).`, {
      cause: error,
    });
  } finally {
    clearInterval(timer);
  }
}
