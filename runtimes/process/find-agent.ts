import { belongsTo } from './belongs-to.ts';
import { untilStartsAreOver } from './unfinished-starts.ts';
import type { InstanceFolder, StartRecord } from './instance-folder.ts';
import { isAlive, listProcesses } from './process-table.ts';
import type { ProcessIdentity } from './process-entry.ts';

/**
 * Finds the living process of a start. When the worker was killed before it recorded the pid, the process is found by its
 * environment. Undefined when several processes match, or when only descendants of the agent are left.
 * @throws RuntimeUnavailable while a child of the killed worker may still become the agent
 */
export async function findAgent(folder: InstanceFolder, record: StartRecord): Promise<ProcessIdentity | undefined> {
  if (record.process) return isAlive(record.process) ? record.process : undefined;
  await untilStartsAreOver(folder);
  const [leader, ...more] = await findLeaders(folder);
  return more.length === 0 ? leader : undefined;
}

/** An agent leads a process group, in which its descendants normally stay. */
async function findLeaders(folder: InstanceFolder): Promise<ProcessIdentity[]> {
  const found = await listProcesses();
  return found
    .filter((process) => process.pid === process.group && belongsTo(folder, process))
    .map(({ pid, startedAt }) => ({ pid, startedAt }));
}
