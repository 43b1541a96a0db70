import { setTimeout } from 'node:timers/promises';
import type { InstanceFolder, StartRecord } from './instance-folder.ts';
import { isAlive, listProcesses } from './process-table.ts';
import type { ProcessIdentity } from './process-entry.ts';

/** The time between fork and exec, in which a child still has the environment of the worker. */
const forkToExecMs = 100;

/**
 * Finds the living process of a start. When the worker was killed before it recorded the pid, the process is found by its
 * environment. Undefined when several processes match, or when only descendants of the agent are left.
 */
export async function findAgent(folder: InstanceFolder, record: StartRecord): Promise<ProcessIdentity | undefined> {
  if (record.process) return isAlive(record.process) ? record.process : undefined;
  const leaders = await findLeaders(folder.name);
  if (leaders.length > 0) return leaders.length === 1 ? leaders[0] : undefined;
  await setTimeout(forkToExecMs);
  const [leader, ...more] = await findLeaders(folder.name);
  return more.length === 0 ? leader : undefined;
}

/** An agent leads a process group, in which its descendants normally stay. */
async function findLeaders(name: string): Promise<ProcessIdentity[]> {
  const found = await listProcesses();
  return found
    .filter(({ instanceName, pid, group }) => instanceName === name && pid === group)
    .map(({ pid, startedAt }) => ({ pid, startedAt }));
}
