import { findRecordedCgroup, type AgentCgroup } from './agent-cgroups.ts';
import { belongsTo } from './belongs-to.ts';
import type { InstanceFolder, StartRecord } from './instance-folder.ts';
import {
  groupExists,
  inspectLiving,
  isAlive,
  killRemainsOfGroup,
  listProcesses,
  signalGroup,
  signalProcess,
} from './process-table.ts';
import type { ProcessIdentity } from './process-entry.ts';
import { waitUntil } from './wait-until.ts';

interface EndOptions {
  /** The folder of the instance, which all of its processes have in their environment. */
  folder: Pick<InstanceFolder, 'name' | 'path'>;
  /** The record of the start as it was read, or as this worker knows it. */
  record: Pick<StartRecord, 'process' | 'cgroup'>;
  /** The agent itself, if known. */
  leader: ProcessIdentity | undefined;
  /** The user that only this instance has, if any. */
  uid?: number | undefined;
  graceSeconds: number;
  signal: AbortSignal;
}

/** The pause after a kill before the next search for remaining processes. */
const killMs = 1000;
/** The time in which a group is forgotten whose processes have ended. */
const forgetGroupMs = 50;

type Found = ProcessIdentity & { group: number };

/**
 * Ends every process of an instance: SIGTERM first, SIGKILL after the grace period. The cgroup of the agent holds them all. Without one,
 * a process belongs to the instance by its environment, its process group or its user, so it may leave the group or clear the environment.
 * Resolves when no process remains and the cgroup is removed.
 * @throws the reason of the signal when aborted; a later call continues
 */
export async function endProcesses(options: EndOptions): Promise<void> {
  const { folder, record, leader, graceSeconds, signal } = options;
  const deadlineMs = performance.now() + graceSeconds * 1000;
  const cgroup = await findRecordedCgroup(folder, record);
  const known = new Map<number, Found>();
  remember(known, cgroup);
  const asked = new Set<number>();
  const leaderRan = leader !== undefined && isAlive(leader);
  if (leaderRan) {
    if (graceSeconds > 0) signalGroup(leader, 'SIGTERM');
    await waitUntil(() => !isAlive(leader), { deadlineMs, signal });
    signalGroup(leader, 'SIGKILL');
  }
  for (;;) {
    const left = await findLeft(options, cgroup, known);
    if (left.length === 0 && cgroup?.state() !== 'populated') break;
    const byForce = performance.now() >= deadlineMs;
    if (byForce) cgroup?.kill();
    for (const found of left) {
      if (byForce) signalProcess(found, 'SIGKILL');
      else if (!asked.has(found.pid) && !(leaderRan && found.group === leader.pid)) signalProcess(found, 'SIGTERM');
      asked.add(found.pid);
    }
    const untilMs = byForce ? performance.now() + killMs : deadlineMs;
    const areGone = (): boolean => (left.length > 0 ? !left.some(isAlive) : cgroup?.state() !== 'populated');
    await waitUntil(areGone, { deadlineMs: untilMs, signal });
  }
  cgroup?.remove();
}

/** Kills what is left in a cgroup of which no start record tells, and removes the cgroup. */
export async function clearCgroup(cgroup: AgentCgroup | undefined, signal: AbortSignal): Promise<void> {
  if (!cgroup || cgroup.state() === 'missing') return;
  const known = new Map<number, Found>();
  const isEmpty = (): boolean => cgroup.state() !== 'populated' && ![...known.values()].some(isAlive);
  do {
    remember(known, cgroup);
    cgroup.kill();
  } while (!(await waitUntil(isEmpty, { deadlineMs: performance.now() + killMs, signal })));
  cgroup.remove();
}

/** A cgroup is empty a moment before the last process of it has ended, so the processes in it are remembered. */
function remember(known: Map<number, Found>, cgroup: AgentCgroup | undefined): void {
  if (cgroup?.state() !== 'populated') return;
  for (const pid of cgroup.members()) {
    const found = inspectLiving(pid);
    if (found) known.set(pid, found);
  }
}

/**
 * The processes of the instance. Those of its cgroup come first, and all of the host are searched only where the cgroup may not hold them
 * all.
 */
async function findLeft(
  options: EndOptions,
  cgroup: AgentCgroup | undefined,
  known: Map<number, Found>,
): Promise<Found[]> {
  remember(known, cgroup);
  const inside = [...known.values()].filter(isAlive);
  // Without a process in the record, a worker may have died before it knew whether the agent is in the cgroup.
  const holdsAll = options.record.process !== undefined && (cgroup?.state() ?? 'missing') !== 'missing';
  if (holdsAll && (inside.length > 0 || (await isGroupGone(options, known)))) return inside;
  return [...inside, ...(await findOnHost(options))];
}

/** Whether no process of the agent's group is left that moved itself to another cgroup. */
async function isGroupGone({ leader, signal }: EndOptions, known: Map<number, Found>): Promise<boolean> {
  if (!leader) return true;
  const deadlineMs = performance.now() + forgetGroupMs;
  if (await waitUntil(() => !groupExists(leader.pid), { deadlineMs, signal, intervalMs: 5 })) return true;
  // In a container whose init process collects no orphans, those that have ended keep the group and its number for good.
  const ended = [leader, ...[...known.values()].filter(({ group }) => group === leader.pid)];
  return killRemainsOfGroup(leader.pid, ended);
}

async function findOnHost({ folder, leader, uid }: EndOptions): Promise<Found[]> {
  const all = await listProcesses();
  // A reused pid can lead a new group only after the old group of that number is empty.
  const groupIsTaken = all.some(({ pid, startedAt }) => pid === leader?.pid && startedAt !== leader.startedAt);
  return all.filter(
    (found) =>
      belongsTo(folder, found) ||
      (found.group === leader?.pid && !groupIsTaken) ||
      (uid !== undefined && found.uid === uid),
  );
}
