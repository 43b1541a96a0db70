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
import { StartUnknown, type Launched, type Launcher } from './launcher/start-launcher.ts';
import { startAgent } from './start-agent.ts';
import type { HostEnvironment } from './start-agent.ts';

interface LifecycleOptions {
  launcher: Pick<Launcher, 'launch'>;
  folderOf: (instanceId: string) => InstanceFolder;
  watcher: AgentWatcher;
  /** Identifies this worker. */
  workerId: string;
  /** Makes sure that agents with a time of replacement are ended when the lease of the host runs out. */
  ensureFence: () => Promise<void>;
  logger: Logger;
  hostEnvironment: HostEnvironment;
  /** Undefined when agents run as the worker's user. */
  users: AgentUsers | undefined;
}

/** The time limit for undoing a failed start. Killed processes normally end within milliseconds. */
const undoMs = 10_000;

/**
 * Starts and ends agents. Every call may be repeated after a crash at any point. The caller makes sure that only one call
 * at a time works on an instance.
 */
export function createAgentLifecycle({
  launcher,
  folderOf,
  watcher,
  workerId,
  ensureFence,
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

  /** Continues a start that an earlier call began, until the agent is ready. */
  async function takeOver(
    folder: InstanceFolder,
    found: StartedRecord,
    { instanceId, spec, replaceAfterSeconds }: ProvisionRequest<ProcessSpec>,
    signal: AbortSignal,
  ): Promise<RunningAgent> {
    const record = { ...found, replaceAfterSeconds };
    const { runtimeId, process: identity, startedBy } = record;
    if (found.replaceAfterSeconds !== replaceAfterSeconds) await folder.writeRecord(record);
    if (replaceAfterSeconds !== undefined) await ensureFence();
    if (record.phase === 'starting') {
      logger.info(
        { instanceId, runtimeId, pid: identity.pid },
        'an agent that an earlier worker started is taken over',
      );
      await orUndo(folder, record, async () => {
        await awaitReady({ folder, runtimeId, spec, identity, launched: undefined, signal });
        await folder.writeRecord({ ...record, phase: 'running' });
      });
    }
    watcher.add({ instanceId, runtimeId, folder, identity, startedBy });
    return { runtimeId };
  }

  async function start(
    folder: InstanceFolder,
    request: ProvisionRequest<ProcessSpec>,
    context: EffectContext,
  ): Promise<RunningAgent> {
    const { signal, beforeStart } = context;
    await beforeStart?.();
    const { instanceId, generation, spec, replaceAfterSeconds } = request;
    const runtimeId = randomUUID();
    const intent: StartRecord = {
      runtimeId,
      generation,
      stopGraceSeconds: spec.stop_grace_seconds,
      phase: 'starting',
      startedBy: workerId,
      replaceAfterSeconds,
    };
    const launched = await launch(folder, request, intent, context);
    const { identity } = launched;
    const record = { ...intent, process: identity };
    await orUndo(folder, record, async () => {
      // An agent that is ready at once needs only the write below.
      if (spec.ready === 'file') await folder.writeRecord(record);
      await awaitReady({ folder, runtimeId, spec, identity, launched, signal });
      await folder.writeRecord({ ...record, phase: 'running' });
    });
    watcher.add({ instanceId, runtimeId, folder, identity, launched });
    logger.info({ instanceId, runtimeId, generation, pid: identity.pid }, 'agent started');
    return { runtimeId };
  }

  async function launch(
    folder: InstanceFolder,
    request: ProvisionRequest<ProcessSpec>,
    intent: StartRecord,
    { signal, mayStart }: EffectContext,
  ): Promise<Launched> {
    const uid = await users?.claim(folder.name);
    const { config, spec, control } = request;
    const environment = { ...spec.environment, ...(control && { INSTANCE_CONTROL_URL: control.url }) };
    await folder.prepare({ config, secrets: secretsOf({ environment, config }), uid });
    try {
      signal.throwIfAborted();
      // The intent is written before the start, so that after a crash the next call looks for a process.
      await folder.writeRecord(intent);
      if (request.replaceAfterSeconds !== undefined) await ensureFence();
      return await startAgent({ launcher, folder, request, hostEnvironment, uid, mayStart });
    } catch (error) {
      // The log has the cause, which names folders of the host. The user of the instance sees only the message.
      logger.warn({ err: error, instanceId: request.instanceId }, 'an agent cannot be started');
      // A process that may have been started is found by the next call.
      if (!(error instanceof StartUnknown)) await folder.removeRecord();
      throw error;
    }
  }

  /** Undoes the start when the step fails. Only the log of the agent stays. */
  async function orUndo(folder: InstanceFolder, record: StartRecord, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      // The caller's signal may be aborted already, which may be why the step failed.
      const limit = { signal: AbortSignal.timeout(undoMs) };
      await end(folder, { ...record, stopGraceSeconds: 0 }, limit).catch((undoError: unknown) =>
        // The record stays, so the next call for the instance ends the remaining processes.
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

  /** Ends every process of a start, and only then removes its record. */
  async function end(
    folder: InstanceFolder,
    record: StartRecord,
    { signal, beforeStop }: Pick<EffectContext, 'signal' | 'beforeStop'>,
  ): Promise<void> {
    if (record.phase === 'running') await folder.writeRecord({ ...record, phase: 'stopping' });
    const { process: leader, stopGraceSeconds: graceSeconds } = record;
    if (leader && graceSeconds > 0 && isAlive(leader)) await beforeStop?.();
    await endProcesses({ folder, leader, uid: await users?.find(folder.name), graceSeconds, signal });
    await folder.removeRecord();
  }

  return { provision, cleanUp };
}
