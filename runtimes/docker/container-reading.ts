import { constants } from 'node:os';
import type { ContainerInspectInfo } from 'dockerode';
import { labels } from './container-spec.ts';
import { signalNumber } from './stop-signal.ts';

/** What the engine says of a container at one moment. */
export interface ContainerReading {
  id: string;
  /** Undefined when it is none of ours. */
  instanceId: string | undefined;
  generation: number;
  stopGraceSeconds: number;
  /** `created`: not started yet. */
  phase: 'created' | 'running' | 'ended';
  /** When that phase began. */
  since: Date;
  /** On the engine's host; 0 when it does not run. */
  pid: number;
  exitCode: number;
  /** What the engine sends to have it stop: the STOPSIGNAL of the image, else SIGTERM. */
  stopSignal: number;
  /** The kernel ended a process of it for want of memory. */
  outOfMemory: boolean;
  memoryBytes: number;
  health: { status: string; lastOutput: string } | undefined;
}

/** The library's types leave this field out. */
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

/** A sentence on how the agent of a container ended. */
export function describeEnd({
  exitCode,
  outOfMemory,
  memoryBytes,
}: Pick<ContainerReading, 'exitCode'> & Partial<ContainerReading>): string {
  // As the first process of the container reports it: 128 and the number of the signal.
  const signal = Object.entries(constants.signals).find(([, number]) => exitCode === 128 + number)?.[0];
  const how =
    signal === undefined
      ? `The agent ended with exit code ${exitCode}.`
      : `The agent was ended by the signal ${signal} (exit code ${exitCode}).`;
  const limit = `it may use ${Math.round((memoryBytes ?? 0) / 2 ** 20)} MiB (memory_mebibytes).`;
  if (outOfMemory) return `${how} It ran out of memory: ${limit}`;
  // The engine does not hear of each kill by the kernel: under cgroups v1 not where the group is gone before it looks.
  if (signal === 'SIGKILL' && memoryBytes) return `${how} The kernel may have done so for want of memory: ${limit}`;
  return how;
}
