import { isAlive, listProcesses, signalGroup, signalProcess } from './process-table.ts';
import type { MarkedProcess, ProcessIdentity } from './process-entry.ts';
import { waitUntil } from './wait-until.ts';

interface EndOptions {
  /** The `INSTANCE_NAME` that all processes of the instance carry in their environment. */
  name: string;
  /** The agent itself, where it is known. */
  leader: ProcessIdentity | undefined;
  /** Of the instance alone, where it has one: all its processes are found by it. */
  uid?: number | undefined;
  graceSeconds: number;
  signal: AbortSignal;
}

/** How long killed processes get to vanish before they are looked for again. */
const killMs = 1000;

/**
 * Ends every process of an instance: SIGTERM first, SIGKILL once the grace period is over. Finds also those that left
 * the agent's process group, by their environment, and those that cleared their environment, by their process group.
 * Resolves when none is left.
 * @throws the signal's reason when aborted; a later call goes on
 */
export async function endProcesses({ name, leader, uid, graceSeconds, signal }: EndOptions): Promise<void> {
  const deadlineMs = performance.now() + graceSeconds * 1000;
  const asked = new Set<number>();
  const leaderRan = leader !== undefined && isAlive(leader);
  if (leaderRan) {
    if (graceSeconds > 0) signalGroup(leader, 'SIGTERM');
    await waitUntil(() => !isAlive(leader), { deadlineMs, signal });
    signalGroup(leader, 'SIGKILL');
  }
  for (;;) {
    const left = belonging(await listProcesses(), { name, leader, uid });
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
  { name, leader, uid }: Pick<EndOptions, 'name' | 'leader' | 'uid'>,
): MarkedProcess[] {
  // A pid leads a new group only after the old group of that number is empty.
  const groupIsTaken = all.some(({ pid, startedAt }) => pid === leader?.pid && startedAt !== leader.startedAt);
  return all.filter(
    (found) =>
      found.instanceName === name ||
      (found.group === leader?.pid && !groupIsTaken) ||
      (uid !== undefined && found.uid === uid),
  );
}
