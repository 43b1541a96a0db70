import { belongsTo } from './belongs-to.ts';
import type { InstanceFolder } from './instance-folder.ts';
import { isAlive, listProcesses, signalGroup, signalProcess } from './process-table.ts';
import type { MarkedProcess, ProcessIdentity } from './process-entry.ts';
import { waitUntil } from './wait-until.ts';

interface EndOptions {
  /** The folder of the instance, which all of its processes have in their environment. */
  folder: Pick<InstanceFolder, 'name' | 'path'>;
  /** The agent itself, if known. */
  leader: ProcessIdentity | undefined;
  /** The user that only this instance has, if any. */
  uid?: number | undefined;
  graceSeconds: number;
  signal: AbortSignal;
}

/** The pause after a kill before the next search for remaining processes. */
const killMs = 1000;

/**
 * Ends every process of an instance: SIGTERM first, SIGKILL after the grace period. A process belongs to the instance by
 * its environment, its process group or its user, so it may leave the group or clear the environment. Resolves when no
 * process remains.
 * @throws the reason of the signal when aborted; a later call continues
 */
export async function endProcesses({ folder, leader, uid, graceSeconds, signal }: EndOptions): Promise<void> {
  const deadlineMs = performance.now() + graceSeconds * 1000;
  const asked = new Set<number>();
  const leaderRan = leader !== undefined && isAlive(leader);
  if (leaderRan) {
    if (graceSeconds > 0) signalGroup(leader, 'SIGTERM');
    await waitUntil(() => !isAlive(leader), { deadlineMs, signal });
    signalGroup(leader, 'SIGKILL');
  }
  for (;;) {
    const left = belonging(await listProcesses(), { folder, leader, uid });
    if (left.length === 0) return;
    const byForce = performance.now() >= deadlineMs;
    for (const found of left) {
      if (byForce) signalProcess(found, 'SIGKILL');
      else if (!asked.has(found.pid) && !(leaderRan && found.group === leader.pid)) signalProcess(found, 'SIGTERM');
      asked.add(found.pid);
    }
    const untilMs = byForce ? performance.now() + killMs : deadlineMs;
    await waitUntil(() => !left.some(isAlive), { deadlineMs: untilMs, signal });
  }
}

function belonging(
  all: MarkedProcess[],
  { folder, leader, uid }: Pick<EndOptions, 'folder' | 'leader' | 'uid'>,
): MarkedProcess[] {
  // A reused pid can lead a new group only after the old group of that number is empty.
  const groupIsTaken = all.some(({ pid, startedAt }) => pid === leader?.pid && startedAt !== leader.startedAt);
  return all.filter(
    (found) =>
      belongsTo(folder, found) ||
      (found.group === leader?.pid && !groupIsTaken) ||
      (uid !== undefined && found.uid === uid),
  );
}
