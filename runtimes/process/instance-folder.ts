import {
  chmodSync,
  chownSync,
  closeSync,
  fchmodSync,
  fchownSync,
  lstatSync,
  mkdirSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { Secret } from '../secrets.ts';
import { logName, quoteOutput, readOutput, secretsName } from './agent-output.ts';
import { errorCode } from './error-code.ts';
import type { ProcessIdentity } from './process-entry.ts';
import { giveAway } from './give-away.ts';
import { removeFolder } from './remove-folder.ts';
import {
  createFile,
  inFolder,
  readText,
  remove,
  renameOver,
  replaceFile,
  UnsafeFile,
  unlessMissing,
} from './safe-files.ts';

const startRecord = z.object({
  runtimeId: z.string(),
  generation: z.number(),
  stopGraceSeconds: z.number().min(0).max(600),
  /** `starting`: the agent is not ready yet. `stopping`: the worker asked it to end, so its end is not reported. */
  phase: z.enum(['starting', 'running', 'stopping']),
  /** Missing until the process is known to have started. Process 1 is never an agent. */
  process: z.object({ pid: z.int().min(2), startedAt: z.string() }).optional(),
  /**
   * The cgroup that holds every process of the start (see agent-cgroups.ts). Missing where there are no cgroups, and in records of
   * earlier releases. As long as no process is known, the agent may as well be outside of it.
   */
  cgroup: z.string().optional(),
  /** The worker that started the agent. Records of earlier releases lack it. */
  startedBy: z.string().optional(),
  /** See `ProvisionRequest`. Missing when the instance waits for its host. */
  replaceAfterSeconds: z.number().positive().optional(),
});

/** The record of the latest start. Without a record nothing runs, because it is removed after the last process. */
export type StartRecord = z.infer<typeof startRecord>;
export type StartedRecord = StartRecord & { process: ProcessIdentity };

/** Stands for a record that cannot be read, as after a power cut. A process of unknown origin may run. */
export const unreadable: StartRecord = { runtimeId: '', generation: -1, stopGraceSeconds: 10, phase: 'stopping' };

const ownReadyFile = '.ready';
/** What a folder holds whose agent keeps nothing there. */
const ownFiles = [
  'config.json',
  secretsName,
  logName,
  'agent.previous.log',
  'ready',
  join('state', ownReadyFile),
  'reported',
];
const recordBytes = 65_536;

interface Preparation {
  config: Record<string, unknown>;
  /** The texts to mask where the output of the agent is quoted. */
  secrets: readonly Secret[];
  /** The agent's user. The default is the worker's user. */
  uid?: number | undefined;
}

export type InstanceFolder = ReturnType<typeof instanceFolder>;

/**
 * The files of one instance. Each file is replaced as a whole, so a crash never leaves half of one. The agent may replace
 * them with anything, so reading follows no links, waits for no FIFO and has a size limit.
 */
export function instanceFolder(directory: string, name: string) {
  const path = resolve(directory, name);

  return {
    name,
    path,
    stateDirectory: join(path, 'state'),
    configFile: join(path, 'config.json'),
    logFile: join(path, logName),

    /** Prepares the folder for a start, with a new, empty log; the previous log is kept. */
    async prepare({ config, secrets, uid }: Preparation): Promise<void> {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      await inFolder(path, async (entry) => {
        const state = lstatSync(entry('state'), { throwIfNoEntry: false });
        if (state && !state.isDirectory()) rmSync(entry('state'));
        mkdirSync(entry('state'), { recursive: true, mode: 0o700 });
        await remove(entry('ready'));
        await remove(join(entry('state'), ownReadyFile));
        await replaceFile(entry('config.json'), JSON.stringify(config), uid);
        if (uid !== undefined) {
          chownSync(path, 0, uid);
          chmodSync(path, 0o710);
          await giveAway(entry('state'), uid);
        }
        await renameOver(entry(logName), entry('agent.previous.log')).catch(unlessMissing);
        const log = await createFile(entry(logName));
        try {
          // The previous log is renamed first, because a reader of that log still needs its own list of secrets.
          await replaceFile(entry(secretsName), JSON.stringify(secrets));
          if (uid !== undefined) {
            // The agent can then open /dev/stdout, but not replace the file.
            fchownSync(log, 0, uid);
            fchmodSync(log, 0o620);
          }
        } finally {
          closeSync(log);
        }
      });
    },

    /** Whether the agent has created its ready file. */
    isReady: (): boolean =>
      [join(path, 'ready'), join(path, 'state', ownReadyFile)].some(
        (file) => lstatSync(file, { throwIfNoEntry: false }) !== undefined,
      ),

    /** An agent with a user of its own can write only in its state directory. */
    readyFileOf: (uid?: number): string =>
      uid === undefined ? join(path, 'ready') : join(path, 'state', ownReadyFile),

    async readRecord(): Promise<StartRecord | undefined> {
      try {
        const text = await inFolder(path, (entry) => readText(entry('start.json'), recordBytes)).catch(unlessMissing);
        return text === undefined ? undefined : startRecord.parse(JSON.parse(text));
      } catch (error) {
        const isNoRecord = [SyntaxError, z.ZodError, UnsafeFile].some((kind) => error instanceof kind);
        if (isNoRecord || errorCode(error) === 'ENOTDIR') return unreadable;
        throw error;
      }
    },

    /** When the latest start entered the phase in its record. */
    recordWrittenAt: async (): Promise<Date | undefined> =>
      (await inFolder(path, (entry) => lstatSync(entry('start.json'))).catch(unlessMissing))?.mtime,

    writeRecord: (record: StartRecord): Promise<void> =>
      inFolder(path, (entry) => replaceFile(entry('start.json'), JSON.stringify(record))),
    removeRecord: (): Promise<void> =>
      inFolder(path, (entry) => remove(entry('start.json'))).catch((error: unknown) =>
        errorCode(error) === 'ENOTDIR' ? undefined : unlessMissing(error),
      ),

    /** The start whose end was reported and accepted. */
    readReported: (): Promise<string | undefined> => readNote(path, 'reported'),
    writeReported: (runtimeId: string): Promise<void> => writeNote(path, 'reported', runtimeId),

    /** The start that the fence has ended. */
    readFenced: (): Promise<string | undefined> => readNote(path, 'fenced'),
    writeFenced: (runtimeId: string): Promise<void> => writeNote(path, 'fenced', runtimeId),

    /** A sentence that quotes the last lines that the agent printed. */
    lastOutput: (): Promise<string> => quoteOutput(path),

    /** The last lines that the agent printed, and when. Undefined when it printed nothing or its log cannot be read. */
    output: (): Promise<{ text: string; at: Date } | undefined> => readOutput(path),

    async remove(): Promise<void> {
      if (!(await removeOwnFiles(path))) await removeFolder(path);
    },
  };
}

/** Without a look at what an agent may have put there. @returns false when the folder holds more, and remains */
async function removeOwnFiles(path: string): Promise<boolean> {
  try {
    for (const name of ownFiles) await remove(join(path, name));
    rmdirSync(join(path, 'state'));
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}

function readNote(folder: string, name: string): Promise<string | undefined> {
  return inFolder(folder, (entry) => readText(entry(name), recordBytes)).catch((error: unknown) =>
    error instanceof UnsafeFile ? undefined : unlessMissing(error),
  );
}

function writeNote(folder: string, name: string, text: string): Promise<void> {
  return inFolder(folder, (entry) => replaceFile(entry(name), text)).catch(unlessMissing);
}
