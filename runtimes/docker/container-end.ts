import type { RuntimeExit } from '../runtime.ts';
import { describeEnd, type ContainerReading } from './container-reading.ts';

/** What is known of a container's end. */
export interface ContainerEnd {
  /** Undefined when the engine has forgotten the container. */
  exitCode?: number;
  /** Numbers of the signals that somebody had the engine send: a person, another worker, or the engine as it shuts down. */
  signals: ReadonlySet<number>;
  /** The engine told of it, rather than that it was found ended after nobody had listened. */
  seen: boolean;
}

/**
 * What an engine or a host leaves behind that goes down, in order or by force: the agent itself ending on SIGTERM,
 * SIGKILL, SIGTERM, and the engine's own word for what it found dead.
 */
const exitCodesOfShutdowns = new Set([0, 137, 143, 255]);

/** SIGINT, SIGQUIT, SIGKILL and SIGTERM. Others may be sent to an agent that does not end on them. */
const endingSignals = [2, 3, 9, 15];

/** `lost`, which has the agent started again, is what the agent itself did not bring about. */
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
