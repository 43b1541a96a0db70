import { setTimeout } from 'node:timers/promises';
import type { InstanceFolder, StartRecord } from './instance-folder.ts';
import { isAlive, listProcesses } from './process-table.ts';
import type { ProcessIdentity } from './process-entry.ts';

/** A child shows its own environment only from exec on; between fork and exec it looks like the worker that died. */
const forkToExecMs = 100;

/**
 * The living process of a start. Where the worker was killed between the start and the word of it, the process is
 * found by its environment; where that fits several (or the agent is gone and what it started is not), none is named.
 */
export async function findAgent(folder: InstanceFolder, record: StartRecord): Promise<ProcessIdentity | undefined> {
  if (record.process) return isAlive(record.process) ? record.process : undefined;
  const leaders = await findLeaders(folder.name);
  if (leaders.length > 0) return leaders.length === 1 ? leaders[0] : undefined;
  await setTimeout(forkToExecMs);
  const [leader, ...more] = await findLeaders(folder.name);
  return more.length === 0 ? leader : undefined;
}

/** Agents are started as leaders of a group; what they start themselves normally stays in that group. */
async function findLeaders(name: string): Promise<ProcessIdentity[]> {
  const found = await listProcesses();
  return found
    .filter(({ instanceName, pid, group }) => instanceName === name && pid === group)
    .map(({ pid, startedAt }) => ({ pid, startedAt }));
}
