import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { identify, isAlive, signalProcess } from '../runtimes/process/process-table.ts';
import { until } from './until.ts';

/** The identity of a process in a form that can be written to a file. */
export const processReference = z.object({ pid: z.int(), startedAt: z.string() });
export type ProcessReference = z.infer<typeof processReference>;

export const isRunning: (reference: ProcessReference) => boolean = isAlive;

/** Undefined when no such process lives. A zombie counts as gone. */
export function referenceProcess(pid: number): ProcessReference | undefined {
  const reference = identify(pid);
  return reference && isRunning(reference) ? reference : undefined;
}

export function writeReference(file: string, reference: ProcessReference): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(reference));
}

/** Undefined when the file is missing or was cut short by a crash. */
export function readReference(file: string): ProcessReference | undefined {
  try {
    return processReference.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Sends the signal, waits, and sends SIGKILL after `graceMs`. Resolves once the process is gone. */
export async function endProcess(
  reference: ProcessReference,
  { signal = 'SIGTERM', graceMs = 20_000 }: { signal?: NodeJS.Signals; graceMs?: number } = {},
): Promise<void> {
  signalProcess(reference, signal);
  const isGone = (): boolean => !isRunning(reference);
  if (await until(isGone, graceMs)) return;
  signalProcess(reference, 'SIGKILL');
  if (!(await until(isGone, 10_000))) {
    throw new Error(`Process ${reference.pid} could not be ended. End it by hand: kill -9 ${reference.pid}`);
  }
}

/** Ends the process that an earlier run recorded and left behind. */
export async function endRecorded(file: string, options: { signal?: NodeJS.Signals } = {}): Promise<void> {
  const reference = readReference(file);
  if (reference !== undefined) await endProcess(reference, options);
  rmSync(file, { force: true });
}
