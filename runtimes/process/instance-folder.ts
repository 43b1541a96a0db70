import { open, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { lastLines, quoteLastOutput } from '../last-output.ts';
import { errorCode } from './error-code.ts';
import type { ProcessIdentity } from './process-table.ts';

const startRecord = z.object({
  runtimeId: z.string(),
  generation: z.number(),
  stopGraceSeconds: z.number(),
  /** `starting`: until ready. `stopping`: it was asked to end, so its end is no news. */
  phase: z.enum(['starting', 'running', 'stopping']),
  /** Missing between the intent to start and the word that it started. */
  process: z.object({ pid: z.number(), startedAt: z.string() }).optional(),
});

/** What is known of the latest start. No record means that nothing runs: it goes only after the last process. */
export type StartRecord = z.infer<typeof startRecord>;
export type StartedRecord = StartRecord & { process: ProcessIdentity };

/** What a record that cannot be read (a disk that was full, a power cut) stands for: something may run, nobody knows what. */
const unreadable: StartRecord = { runtimeId: '', generation: -1, stopGraceSeconds: 10, phase: 'stopping' };

const tailBytes = 4096;

export type InstanceFolder = ReturnType<typeof instanceFolder>;

/** The files kept for one instance. Each is replaced as a whole, so that a crash never leaves half of one. */
export function instanceFolder(directory: string, name: string) {
  const path = resolve(directory, name);
  const recordFile = join(path, 'start.json');
  const reportedFile = join(path, 'reported');
  const logFile = join(path, 'agent.log');
  const stateDirectory = join(path, 'state');
  const configFile = join(path, 'config.json');
  const readyFile = join(path, 'ready');

  return {
    name,
    path,
    stateDirectory,
    configFile,
    readyFile,

    /** Makes the folder ready for a start. Resolves to the agent's new, empty log; the log of the start before is kept. */
    async prepare(config: Record<string, unknown>): Promise<FileHandle> {
      await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
      await rm(readyFile, { force: true });
      await replace(configFile, JSON.stringify(config));
      await rename(logFile, join(path, 'agent.previous.log')).catch(unlessMissing);
      return open(logFile, 'a', 0o600);
    },

    async readRecord(): Promise<StartRecord | undefined> {
      const text = await readFile(recordFile, 'utf8').catch(unlessMissing);
      if (text === undefined) return undefined;
      try {
        return startRecord.parse(JSON.parse(text));
      } catch {
        return unreadable;
      }
    },

    /** When the latest start came to the phase that its record says. */
    recordWrittenAt: async (): Promise<Date | undefined> => (await stat(recordFile).catch(unlessMissing))?.mtime,

    writeRecord: (record: StartRecord): Promise<void> => replace(recordFile, JSON.stringify(record)),
    removeRecord: (): Promise<void> => rm(recordFile, { force: true }),

    /** The start whose end somebody has accepted to know about. */
    readReported: async (): Promise<string | undefined> => readFile(reportedFile, 'utf8').catch(unlessMissing),
    async writeReported(runtimeId: string): Promise<void> {
      await writeFile(reportedFile, runtimeId).catch(unlessMissing);
    },

    /** A sentence with the last lines that the agent printed, to be put behind another one. */
    lastOutput: async (): Promise<string> => quoteLastOutput(await readTail(logFile)),

    /** The last lines that the agent printed, and when; undefined when it printed nothing. */
    async output(): Promise<{ text: string; at: Date } | undefined> {
      const text = await readTail(logFile);
      const at = (await stat(logFile).catch(unlessMissing))?.mtime;
      return text === '' || at === undefined ? undefined : { text, at };
    },

    remove: (): Promise<void> => rm(path, { recursive: true, force: true }),
  };
}

async function replace(file: string, content: string): Promise<void> {
  const draft = `${file}.new`;
  await writeFile(draft, content, { mode: 0o600 });
  await rename(draft, file);
}

async function readTail(file: string): Promise<string> {
  const handle = await open(file).catch(unlessMissing);
  if (!handle) return '';
  try {
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read({
      buffer: Buffer.alloc(tailBytes),
      position: Math.max(0, size - tailBytes),
    });
    return lastLines(buffer.toString('utf8', 0, bytesRead));
  } finally {
    await handle.close();
  }
}

function unlessMissing(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
}
