import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { ProcessSpec } from './spec.ts';
import { mayGoOn } from '../may-go-on.ts';
import { secretsOf } from '../secrets.ts';
import type { EffectContext, ProvisionRequest, RunningAgent, Runtime } from '../runtime.ts';
import type { AgentUsers } from './agent-users.ts';
import type { AgentWatcher } from './agent-watcher.ts';
import { awaitReady } from './await-ready.ts';
import { endProcesses } from './end-processes.ts';
import { findAgent } from './find-agent.ts';
import { isAlive } from './process-table.ts';
import type { InstanceFolder, StartedRecord, StartRecord } from './instance-folder.ts';
import { startAgent } from './start-agent.ts';
import type { HostEnvironment, StartedAgent } from './start-agent.ts';

interface LifecycleOptions {
  folderOf: (instanceId: string) => InstanceFolder;
  watcher: AgentWatcher;
  logger: Logger;
  hostEnvironment: HostEnvironment;
  /** Undefined: agents run as the worker's own user. */
  users: AgentUsers | undefined;
}

/** How long a failed start may take to be undone; killed processes are normally gone in milliseconds. */
const undoMs = 10_000;

/**
 * Start and end of agents, repeatable after a crash at any point. Callers see to it that at most one call works on an
 * instance at a time.
 */
export function createAgentLifecycle({
  folderOf,
  watcher,
  logger,
  hostEnvironment,
  users,
}: LifecycleOptions): Pick<Runtime<ProcessSpec>, 'provision' | 'cleanUp'> {
  async function provision(request: ProvisionRequest<ProcessSpec>, context: EffectContext): Promise<RunningAgent> {
    const folder = folderOf(request.instanceId);
    const record = await folder.readRecord();
    if (!record) return start(folder, request, context);
    const found = await findAgent(folder, record);
    if (found && record.phase !== 'stopping' && (await mayGoOn(record, request, context))) {
      return takeOver(folder, { ...record, process: found }, request, context.signal);
    }
    await end(folder, { ...record, process: found ?? record.process }, context);
    return start(folder, request, context);
  }

  /** Goes on with what an earlier call began, up to the point where this one would have come. */
  async function takeOver(
    folder: InstanceFolder,
    record: StartedRecord,
    { instanceId, spec }: ProvisionRequest<ProcessSpec>,
    signal: AbortSignal,
  ): Promise<RunningAgent> {
    const { runtimeId, process: identity } = record;
    if (record.phase === 'starting') {
      logger.info({ instanceId, runtimeId, pid: identity.pid }, 'agent found that an earlier worker had started');
      await orUndo(folder, record, async () => {
        await awaitReady({ folder, spec, identity, child: undefined, signal });
        await folder.writeRecord({ ...record, phase: 'running' });
      });
    }
    watcher.add({ instanceId, runtimeId, folder, identity });
    return { runtimeId };
  }

  async function start(
    folder: InstanceFolder,
    request: ProvisionRequest<ProcessSpec>,
    { signal, beforeStart }: EffectContext,
  ): Promise<RunningAgent> {
    await beforeStart?.();
    const { instanceId, generation, spec } = request;
    const runtimeId = randomUUID();
    const intent = { runtimeId, generation, stopGraceSeconds: spec.stop_grace_seconds, phase: 'starting' } as const;
    const { child, identity } = await launch(folder, request, intent, signal);
    const record = { ...intent, process: identity };
    await orUndo(folder, record, async () => {
      // With nothing to wait for, one write says both: that it started and that it is ready.
      if (spec.ready === 'file') await folder.writeRecord(record);
      await awaitReady({ folder, spec, identity, child, signal });
      await folder.writeRecord({ ...record, phase: 'running' });
    });
    watcher.add({ instanceId, runtimeId, folder, identity, child });
    logger.info({ instanceId, runtimeId, generation, pid: identity.pid }, 'agent started');
    return { runtimeId };
  }

  async function launch(
    folder: InstanceFolder,
    request: ProvisionRequest<ProcessSpec>,
    intent: StartRecord,
    signal: AbortSignal,
  ): Promise<StartedAgent> {
    const uid = await users?.claim(folder.name);
    const { config, spec, control } = request;
    const environment = { ...spec.environment, ...(control && { INSTANCE_CONTROL_URL: control.url }) };
    const log = await folder.prepare({ config, secrets: secretsOf({ environment, config }), uid });
    try {
      signal.throwIfAborted();
      // Before the start, so that whoever comes after a crash knows that there may be a process to look for.
      await folder.writeRecord(intent);
      return await startAgent({ folder, request, log, hostEnvironment, uid });
    } catch (error) {
      // With its cause, which names folders of the host.
      logger.warn({ err: error, instanceId: request.instanceId }, 'an agent cannot be started');
      await folder.removeRecord();
      throw error;
    } finally {
      await log.close();
    }
  }

  /** When the step fails, nothing of the start is left but its log. */
  async function orUndo(folder: InstanceFolder, record: StartRecord, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      // Not the caller's signal: that may be what made the step fail.
      const limit = { signal: AbortSignal.timeout(undoMs) };
      await end(folder, { ...record, stopGraceSeconds: 0 }, limit).catch((undoError: unknown) =>
        // The record stays, so the next call for the instance ends what is left.
        logger.error({ err: undoError, runtimeId: record.runtimeId }, 'a failed start is not undone yet'),
      );
      throw error;
    }
  }

  async function cleanUp(instanceId: string, context: EffectContext): Promise<void> {
    const folder = folderOf(instanceId);
    const record = await folder.readRecord();
    if (record) {
      const leader = await findAgent(folder, record);
      await end(folder, { ...record, process: leader ?? record.process }, context);
    }
    await folder.remove();
    await users?.release(folder.name);
  }

  /** Ends what runs for a start, and only then forgets it. */
  async function end(
    folder: InstanceFolder,
    record: StartRecord,
    { signal, beforeStop }: Pick<EffectContext, 'signal' | 'beforeStop'>,
  ): Promise<void> {
    if (record.phase === 'running') await folder.writeRecord({ ...record, phase: 'stopping' });
    const { process: leader, stopGraceSeconds: graceSeconds } = record;
    if (leader && graceSeconds > 0 && isAlive(leader)) await beforeStop?.();
    await endProcesses({ name: folder.name, leader, uid: await users?.find(folder.name), graceSeconds, signal });
    await folder.removeRecord();
  }

  return { provision, cleanUp };
}
