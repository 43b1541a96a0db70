import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { identify, isAlive } from './process-table.ts';
import type { ProcessIdentity } from './process-entry.ts';

/** `paused`: the process exists, but has not acted for a few seconds. */
type WorkerState = 'acting' | 'paused' | 'gone';

export type FolderWorkers = ReturnType<typeof createFolderWorkers>;

interface Seen {
  process: ProcessIdentity;
  beat: number;
  /** When the last beat was seen, and how often it was looked for since. */
  since: number;
  looks: number;
}

const identitySchema = z.object({ pid: z.int(), startedAt: z.string() });

const beatMs = 1000;
/**
 * A worker is paused after this time without a beat. The looks count as well, because both workers may have been suspended
 * together.
 */
const paused = { afterMs: 5000, afterLooks: 3 };

/**
 * The workers that share one folder. Each one that watches has a file in `.workers`, which it touches every second. Times are
 * only compared with times of the same file.
 */
export function createFolderWorkers(directory: string) {
  const folder = join(directory, '.workers');
  const ownId = randomUUID();
  const ownFile = join(folder, ownId);
  const seen = new Map<string, Seen>();
  let timer: NodeJS.Timeout | undefined;

  function write(): void {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(ownFile, JSON.stringify(identify(process.pid)), { mode: 0o600 });
  }

  function beat(): void {
    try {
      const now = new Date();
      utimesSync(ownFile, now, now);
    } catch {
      // Somebody has removed the file or the folder.
      write();
    }
  }

  function update(id: string): void {
    const file = join(folder, id);
    const { mtimeMs } = statSync(file);
    const known = seen.get(id);
    const identity = known?.process ?? identitySchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    if (!isAlive(identity)) {
      seen.delete(id);
      rmSync(file, { force: true });
    } else if (known?.beat === mtimeMs) known.looks += 1;
    else seen.set(id, { process: identity, beat: mtimeMs, since: performance.now(), looks: 0 });
  }

  return {
    /** Identifies this worker in start records. */
    ownId,

    /** From now on, the other workers leave the ends of this worker's agents to it, as long as it acts. */
    enter(): void {
      write();
      timer = setInterval(() => {
        try {
          beat();
        } catch {
          // Without a beat the other workers report the ends.
        }
      }, beatMs).unref();
    },

    /** Looks which workers are there. `stateOf` answers by the last look. */
    look(): void {
      const ids = listIds(folder);
      for (const id of seen.keys()) if (!ids.includes(id)) seen.delete(id);
      for (const id of ids) {
        try {
          update(id);
        } catch {
          // The file was removed, or is only half written.
        }
      }
    },

    stateOf(id: string | undefined): WorkerState {
      if (id === ownId) return 'acting';
      const worker = id === undefined ? undefined : seen.get(id);
      if (!worker) return 'gone';
      const isPaused = worker.looks >= paused.afterLooks && performance.now() - worker.since >= paused.afterMs;
      return isPaused ? 'paused' : 'acting';
    },

    /** From now on, the other workers report the ends of this worker's agents. */
    leave(): void {
      clearInterval(timer);
      rmSync(ownFile, { force: true });
    },
  };
}

/** Whether a process of a worker that watches the folder exists, paused or not. */
export function hasLivingWorker(directory: string): boolean {
  const folder = join(directory, '.workers');
  return listIds(folder).some((id) => {
    try {
      return isAlive(identitySchema.parse(JSON.parse(readFileSync(join(folder, id), 'utf8'))));
    } catch {
      return false;
    }
  });
}

function listIds(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
