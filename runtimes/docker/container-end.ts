import type { RuntimeExit } from '../runtime.ts';
import { describeEnd, type ContainerReading } from './container-reading.ts';

/** The facts about the end of a container. */
export interface ContainerEnd {
  /** Undefined when the container was removed. */
  exitCode?: number;
  /** Numbers of the signals that a person, another worker or the shutdown of the engine sent through the engine. */
  signals: ReadonlySet<number>;
  /** True when the engine reported the end as an event. False when the container was found ended later. */
  seen: boolean;
}

/**
 * The exit codes that the shutdown of an engine or a host can leave: 0 for an agent that handles SIGTERM, 137 for SIGKILL,
 * 143 for SIGTERM, and 255 for a container that the engine found dead at its next start.
 */
const exitCodesOfShutdowns = new Set([0, 137, 143, 255]);

/** SIGINT, SIGQUIT, SIGKILL and SIGTERM. Other signals do not have to end an agent. */
const endingSignals = [2, 3, 9, 15];

/** An end that the agent did not cause itself is `lost`, after which the agent is started again. */
export function classifyEnd(
  { exitCode, signals, seen }: ContainerEnd,
  reading: ContainerReading | undefined,
): Pick<RuntimeExit, 'kind' | 'failed' | 'message'> {
  if (exitCode === undefined) return { kind: 'lost', failed: true, message: 'The container was found removed.' };
  const ending = reading ? [...endingSignals, reading.stopSignal] : endingSignals;
  const stopped = ending.some((signal) => signals.has(signal));
  const sentence = describeEnd(stopped ? { exitCode } : { ...reading, exitCode });
  if (stopped) {
    return { kind: 'lost', failed: true, message: `The container was stopped through the engine. ${sentence}` };
  }
  const byShutdown = exitCodesOfShutdowns.has(exitCode) || exitCode === 128 + (reading?.stopSignal ?? 0);
  if (!seen && !reading?.outOfMemory && byShutdown) {
    const message = `The container was found ended after a time in which nobody watched it. ${sentence}`;
    return { kind: 'lost', failed: true, message };
  }
  return { kind: 'exited', failed: exitCode !== 0, message: sentence };
}
