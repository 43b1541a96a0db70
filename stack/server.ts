import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { endProcess, isRunning, referenceProcess, type ProcessReference, writeReference } from './process-reference.ts';
import { errorWithLog, logFileOf, openLog } from './server-log.ts';
import { until } from './until.ts';

/** A server that this project runs. Starting it again on the same folder finds its data. */
export interface Server extends RunningServer {
  /** How it was found, in words for people. */
  way: string;
}

export interface RunningServer {
  logFile: string;
  isRunning: () => boolean;
  /** Ends it cleanly; nothing happens when it has ended already. */
  stop: () => Promise<void>;
  kill: () => Promise<void>;
}

export type Progress = (line: string) => void;

interface SpawnOptions {
  command: string;
  args: string[];
  logFile: string;
  /** Its folder is where the server runs. */
  recordFile: string;
  /** User that the server runs as; the user of this process by default. */
  user?: { uid: number; gid: number } | undefined;
}

interface ReadyOptions {
  name: string;
  probe: () => Promise<unknown>;
  signal?: AbortSignal | undefined;
  timeoutMs?: number;
}

interface ServerOptions extends ReadyOptions, Omit<SpawnOptions, 'logFile' | 'recordFile'> {
  /** Holds the data of the server, within the folder of the whole stack. */
  folder: string;
  recordName?: string;
  stopSignal?: NodeJS.Signals;
}

/** Runs a server, and resolves once it is ready. A process that an earlier run left behind has to be ended before. */
export async function runServer(options: ServerOptions): Promise<RunningServer> {
  const { folder, recordName = 'process.json', stopSignal = 'SIGTERM' } = options;
  const logFile = logFileOf(dirname(folder), basename(folder));
  const reference = await spawnServer({ ...options, logFile, recordFile: join(folder, recordName) });
  await untilReady({ ...options, reference, logFile });
  return {
    logFile,
    isRunning: () => isRunning(reference),
    stop: () => endProcess(reference, { signal: stopSignal }),
    kill: () => endProcess(reference, { signal: 'SIGKILL' }),
  };
}

/** Spawns a server with its output in a log file, and records its process for a later run to find. */
export async function spawnServer(options: SpawnOptions): Promise<ProcessReference> {
  const { command, args, logFile, recordFile, user } = options;
  const log = openLog(logFile);
  try {
    const cwd = dirname(recordFile);
    const child = withClosedFiles(() => spawn(command, args, { cwd, stdio: ['ignore', log, log], ...user }));
    await once(child, 'spawn').catch((error: unknown) => {
      throw new Error(`${command} could not be started: ${String(error)}`, { cause: error });
    });
    const reference = child.pid === undefined ? undefined : referenceProcess(child.pid);
    if (reference === undefined) throw errorWithLog(`${command} ended at once.`, logFile);
    writeReference(recordFile, reference);
    return reference;
  } finally {
    closeSync(log);
  }
}

/** Makes the spawned process create files that only its own user may read. */
function withClosedFiles<T>(start: () => T): T {
  const before = process.umask(0o077);
  try {
    return start();
  } finally {
    process.umask(before);
  }
}

/** Polls `probe` until it resolves. Fails at once when the process has ended, and with the last reason after `timeoutMs`. */
export async function untilReady(
  options: ReadyOptions & { reference: ProcessReference; logFile: string },
): Promise<void> {
  const { name, reference, logFile, probe, signal, timeoutMs = 90_000 } = options;
  let lastReason: unknown;
  const isReady = await until(async () => {
    try {
      await probe();
      return true;
    } catch (error) {
      signal?.throwIfAborted();
      if (!isRunning(reference)) throw errorWithLog(`${name} ended while it started.`, logFile);
      lastReason = error;
      return false;
    }
  }, timeoutMs);
  if (!isReady) throw errorWithLog(`${name} was not ready after ${timeoutMs / 1000} s: ${String(lastReason)}`, logFile);
}
