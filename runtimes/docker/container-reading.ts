import { constants } from 'node:os';
import type { ContainerInspectInfo } from 'dockerode';
import { labels } from './container-spec.ts';
import { signalNumber } from './stop-signal.ts';

/** The state of a container at one moment. */
export interface ContainerReading {
  id: string;
  /** Undefined for a container that no agents_worker created. */
  instanceId: string | undefined;
  generation: number;
  stopGraceSeconds: number;
  /** `created`: the container is not started yet. */
  phase: 'created' | 'running' | 'ended';
  /** When the phase began. */
  since: Date;
  /** The process id on the engine's host; 0 when the container does not run. */
  pid: number;
  exitCode: number;
  /** The signal that asks the container to stop: the STOPSIGNAL of the image, or SIGTERM. */
  stopSignal: number;
  /** The kernel ended one of its processes because the memory ran out. */
  outOfMemory: boolean;
  memoryBytes: number;
  health: { status: string; lastOutput: string } | undefined;
}

/** The types of dockerode lack this field. */
type WithStopSignal = ContainerInspectInfo & { Config: { StopSignal?: string } };

export function readContainer({ Id, Created, State, Config, HostConfig }: WithStopSignal): ContainerReading {
  const label = (name: string): string | undefined => Config.Labels[name];
  const phase = State.Running ? 'running' : State.Status === 'created' ? 'created' : 'ended';
  return {
    id: Id,
    instanceId: label(labels.instanceId),
    generation: Number(label(labels.generation)),
    stopGraceSeconds: Number(label(labels.stopGraceSeconds)),
    phase,
    since: new Date({ created: Created, running: State.StartedAt, ended: State.FinishedAt }[phase]),
    pid: State.Pid,
    exitCode: State.ExitCode,
    stopSignal: signalNumber(Config.StopSignal ?? '') ?? constants.signals.SIGTERM,
    outOfMemory: State.OOMKilled,
    memoryBytes: HostConfig.Memory ?? 0,
    health: State.Health && { status: State.Health.Status, lastOutput: State.Health.Log?.at(-1)?.Output.trim() ?? '' },
  };
}

/** A sentence that says how the agent of a container ended. */
export function describeEnd({
  exitCode,
  outOfMemory,
  memoryBytes,
}: Pick<ContainerReading, 'exitCode'> & Partial<ContainerReading>): string {
  // The init process of the container reports a signal as 128 plus its number.
  const signal = Object.entries(constants.signals).find(([, number]) => exitCode === 128 + number)?.[0];
  const how =
    signal === undefined
      ? `The agent ended with exit code ${exitCode}.`
      : `The agent was ended by the signal ${signal} (exit code ${exitCode}).`;
  const limit = `its limit is ${Math.round((memoryBytes ?? 0) / 2 ** 20)} MiB (memory_mebibytes).`;
  if (outOfMemory) return `${how} It ran out of memory: ${limit}`;
  // The engine misses some kills by the kernel: under cgroups v1, those whose group is gone before the engine reads it.
  if (signal === 'SIGKILL' && memoryBytes)
    return `${how} The kernel may have ended it because it ran out of memory: ${limit}`;
  return how;
}
