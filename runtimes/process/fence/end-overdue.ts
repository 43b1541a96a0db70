import { join } from 'node:path';
import { bootSeconds } from '../../boot-clock.ts';
import { lapsesAt, readLeaseStamp } from '../../host-lease.ts';
import { findAgentUser } from '../agent-users.ts';
import { createChangedRecords } from '../changed-records.ts';
import { endProcesses } from '../end-processes.ts';
import { untilStartsAreOver } from '../unfinished-starts.ts';
import { instanceFolder, unreadable, type StartRecord } from '../instance-folder.ts';
import { isAlive } from '../process-table.ts';

/** The part of `replace_after_seconds` after which the host ends an agent. The rest is a margin before the replacement. */
const endedAfterPart = 0.5;
/** An agent whose record cannot be read may have the least `replace_after_seconds` that an agent can be published with. */
const leastReplaceAfterSeconds = 10;

export type Fence = ReturnType<typeof createFence>;

type Log = (message: string, details: Record<string, unknown>) => void;

/** The file in which the workers of a folder note the renewals of the lease. */
export const leaseFileOf = (directory: string): string => join(directory, '.lease');

/** How long the lease has been over, in seconds. Negative while it holds. */
export function secondsSinceLapse(directory: string): number {
  const stamp = readLeaseStamp(leaseFileOf(directory));
  return stamp ? bootSeconds() - lapsesAt(stamp) : Infinity;
}

/**
 * The fence of one folder: it ends agents that another host may get, because the lease of this host ran out. It only reads start
 * records, because a worker that was stopped in the middle of a start holds the claim on the instance.
 */
export function createFence(directory: string, log: Log) {
  const records = createChangedRecords(directory);
  const replaceable = new Map<string, StartRecord>();
  const ending = new Map<string, Promise<void>>();
  /** Starts of which no process is left. */
  const ended = new Set<string>();

  /** Finds the agents with a time of replacement. */
  async function look(): Promise<void> {
    const { changed, removed } = await records.look();
    for (const id of removed) replaceable.delete(id);
    for (const id of changed) {
      try {
        await read(id);
      } catch (error) {
        records.forget(id);
        log('The start record of an instance cannot be read.', { instanceId: id, error: String(error) });
      }
    }
  }

  async function read(id: string): Promise<void> {
    const found = await folderOf(id).readRecord();
    const before = replaceable.get(id);
    if (!found) replaceable.delete(id);
    else if (found.runtimeId === unreadable.runtimeId) {
      replaceable.set(id, before ?? { ...unreadable, replaceAfterSeconds: leastReplaceAfterSeconds });
    } else if (found.replaceAfterSeconds === undefined) replaceable.delete(id);
    else replaceable.set(id, found);
  }

  function folderOf(id: string) {
    return instanceFolder(directory, `instance-${id}`);
  }

  const keyOf = (id: string, { runtimeId }: StartRecord): string => `${id} ${runtimeId}`;

  const isOver = (id: string, record: StartRecord): boolean =>
    ended.has(keyOf(id, record)) && !(record.process && isAlive(record.process));

  async function end(id: string, record: StartRecord): Promise<void> {
    const folder = folderOf(id);
    const { runtimeId, process: leader } = record;
    // The record of a start lacks the process at first, also where the agent runs already.
    if (!leader || isAlive(leader)) {
      log('An agent is ended, because the lease of the host ran out.', { instanceId: id, runtimeId, pid: leader?.pid });
      // The note comes first, because the worker reports the end at once.
      await folder.writeFenced(runtimeId).catch(() => undefined);
    }
    if (!leader) await untilStartsAreOver(folder);
    const uid = await findAgentUser(directory, folder.name);
    await endProcesses({ folder, record, leader, uid, graceSeconds: 0, signal: new AbortController().signal });
    ended.add(keyOf(id, record));
  }

  return {
    look,

    /** Ends every agent that is overdue. Resolves when no process of them is left. */
    async endOverdue(): Promise<void> {
      const lapsedFor = secondsSinceLapse(directory);
      for (const [id, record] of replaceable) {
        const { replaceAfterSeconds = leastReplaceAfterSeconds } = record;
        const isOverdue = lapsedFor >= replaceAfterSeconds * endedAfterPart;
        if (!isOverdue || ending.has(id) || (record.process && isOver(id, record))) continue;
        const call = end(id, record)
          .catch((error: unknown) =>
            log('An agent cannot be ended; trying again.', { instanceId: id, error: String(error) }),
          )
          .finally(() => ending.delete(id));
        ending.set(id, call);
      }
      await Promise.all(ending.values());
    },

    /**
     * Whether an agent with a time of replacement runs, or may be about to start: a worker that is paused may go on with a start
     * that has no process yet.
     */
    hasAgents: (workerLives: boolean): boolean =>
      [...replaceable].some(([id, record]) => !isOver(id, record) || (workerLives && !record.process)),
  };
}
