import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { ProcessSpec } from './spec.ts';
import { mayGoOn } from '../may-go-on.ts';
import { resolveConfig } from '../secret-references.ts';
import { secretsOf } from '../secrets.ts';
import type { EffectContext, ProvisionRequest, RunningAgent, Runtime } from '../runtime.ts';
import { findRecordedCgroup, type AgentCgroup, type HostCgroups } from './agent-cgroups.ts';
import type { AgentUsers } from './agent-users.ts';
import type { AgentWatcher } from './agent-watcher.ts';
import { awaitReady } from './await-ready.ts';
import { clearCgroup, endProcesses } from './end-processes.ts';
import { findAgent } from './find-agent.ts';
import { isAlive } from './process-table.ts';
import type { ProcessIdentity } from './process-entry.ts';
import type { InstanceFolder, StartedRecord, StartRecord } from './instance-folder.ts';
import { StartUnknown, type Launch, type Launched, type Launcher } from './launcher/start-launcher.ts';
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
  /** Undefined where agents have no cgroups. */
  openCgroups: () => Promise<HostCgroups | undefined>;
}

/** The cgroup of an agent, and the folder of the cgroup from which it is started. */
interface Place extends Pick<HostCgroups, 'home'> {
  cgroup: AgentCgroup;
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
  openCgroups,
}: LifecycleOptions): Pick<Runtime<ProcessSpec>, 'provision' | 'cleanUp'> {
  async function provision(request: ProvisionRequest<ProcessSpec>, context: EffectContext): Promise<RunningAgent> {
    const folder = folderOf(request.instanceId);
    const record = await folder.readRecord();
    if (!record) return start(folder, request, context);
    const found = await findAgent(folder, record);
    if (found && record.phase !== 'stopping' && (await mayGoOn(record, request, context))) {
      return takeOver(folder, { ...record, process: found }, request, context.signal);
    }
    await end(folder, record, found ?? record.process, context);
    return start(folder, request, context);
  }

  /** Continues a start that an earlier call began, until the agent is ready. */
  async function takeOver(
    folder: InstanceFolder,
    found: StartedRecord,
    { instanceId, spec, replaceAfterSeconds }: ProvisionRequest<ProcessSpec>,
    signal: AbortSignal,
  ): Promise<RunningAgent> {
    const cgroup = await findRecordedCgroup(folder, found);
    // A worker that was killed during the start did not learn whether the agent is in the cgroup.
    const isInside = cgroup?.members().includes(found.process.pid);
    const record = { ...found, replaceAfterSeconds, cgroup: isInside ? found.cgroup : undefined };
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
    return { runtimeId, where: `process ${identity.pid}` };
  }

  async function start(
    folder: InstanceFolder,
    request: ProvisionRequest<ProcessSpec>,
    context: EffectContext,
  ): Promise<RunningAgent> {
    const { signal, beforeStart } = context;
    await beforeStart?.();
    const cgroups = await openCgroups();
    const cgroup = cgroups?.of(folder.name);
    await clearCgroup(cgroup, signal);
    const { instanceId, generation, spec, replaceAfterSeconds } = request;
    const runtimeId = randomUUID();
    const intent: StartRecord = {
      runtimeId,
      generation,
      stopGraceSeconds: spec.stop_grace_seconds,
      phase: 'starting',
      startedBy: workerId,
      replaceAfterSeconds,
      cgroup: cgroup?.path,
    };
    const place = cgroup && cgroups && { cgroup, home: cgroups.home };
    const launched = await launch(folder, request, { intent, place }, context);
    const { identity } = launched;
    const record = { ...intent, process: identity, cgroup: launched.inCgroup ? intent.cgroup : undefined };
    await orUndo(folder, record, async () => {
      // An agent that is ready at once needs only the write below.
      if (spec.ready === 'file') await folder.writeRecord(record);
      await awaitReady({ folder, runtimeId, spec, identity, launched, signal });
      await folder.writeRecord({ ...record, phase: 'running' });
    });
    watcher.add({ instanceId, runtimeId, folder, identity, launched });
    logger.info({ instanceId, runtimeId, generation, pid: identity.pid }, 'agent started');
    return { runtimeId, where: `process ${identity.pid}` };
  }

  async function launch(
    folder: InstanceFolder,
    request: ProvisionRequest<ProcessSpec>,
    { intent, place }: { intent: StartRecord; place: Place | undefined },
    { signal, mayStart }: EffectContext,
  ): Promise<Launched> {
    const config = await resolveConfig(request);
    const uid = await users?.claim(folder.name);
    const { spec, control } = request;
    const environment = { ...spec.environment, ...(control && { INSTANCE_CONTROL_URL: control.url }) };
    await folder.prepare({ config, secrets: secretsOf({ environment, config }), uid });
    try {
      signal.throwIfAborted();
      // The intent is written before the start, so that after a crash the next call looks for a process.
      await folder.writeRecord(intent);
      if (request.replaceAfterSeconds !== undefined) await ensureFence();
      const cgroup = place && makeCgroup(place);
      return await startAgent({ launcher, folder, request, hostEnvironment, uid, cgroup, mayStart });
    } catch (error) {
      // The log has the cause, which names folders of the host. The user of the instance sees only the message.
      logger.warn({ err: error, instanceId: request.instanceId }, 'an agent cannot be started');
      // A process that may have been started is found by the next call.
      if (!(error instanceof StartUnknown)) {
        await clearCgroup(place?.cgroup, AbortSignal.timeout(undoMs))
          .then(() => folder.removeRecord())
          .catch((undoError: unknown) => logNotUndone(undoError, intent));
      }
      throw error;
    }
  }

  /** Undefined where the system refuses the cgroup. The agent then starts without one. */
  function makeCgroup({ cgroup, home }: Place): Launch['cgroup'] {
    try {
      cgroup.make();
      return { directory: cgroup.directory, home };
    } catch (error) {
      logger.warn({ err: error }, 'an agent gets no cgroup');
      return undefined;
    }
  }

  /** Undoes the start when the step fails. Only the log of the agent stays. */
  async function orUndo(folder: InstanceFolder, record: StartedRecord, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      // The caller's signal may be aborted already, which may be why the step failed.
      const limit = { signal: AbortSignal.timeout(undoMs) };
      await end(folder, { ...record, stopGraceSeconds: 0 }, record.process, limit).catch((undoError: unknown) =>
        logNotUndone(undoError, record),
      );
      throw error;
    }
  }

  /** The record stays, so the next call for the instance ends the remaining processes. */
  function logNotUndone(error: unknown, { runtimeId }: StartRecord): void {
    logger.error({ err: error, runtimeId }, 'a failed start is not undone yet');
  }

  async function cleanUp(instanceId: string, context: EffectContext): Promise<void> {
    const folder = folderOf(instanceId);
    const record = await folder.readRecord();
    if (record) {
      const leader = await findAgent(folder, record);
      await end(folder, record, leader ?? record.process, context);
    }
    const cgroups = await openCgroups();
    await clearCgroup(cgroups?.of(folder.name), context.signal);
    await folder.remove();
    await users?.release(folder.name);
  }

  /** Ends every process of a start, and only then removes its record. */
  async function end(
    folder: InstanceFolder,
    record: StartRecord,
    leader: ProcessIdentity | undefined,
    { signal, beforeStop }: Pick<EffectContext, 'signal' | 'beforeStop'>,
  ): Promise<void> {
    if (record.phase === 'running') await folder.writeRecord({ ...record, phase: 'stopping' });
    const { stopGraceSeconds: graceSeconds } = record;
    if (leader && graceSeconds > 0 && isAlive(leader)) await beforeStop?.();
    await endProcesses({ folder, record, leader, uid: await users?.find(folder.name), graceSeconds, signal });
    await folder.removeRecord();
  }

  return { provision, cleanUp };
}
