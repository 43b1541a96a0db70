import { statSync } from 'node:fs';
import type { InstanceFolder } from './instance-folder.ts';
import type { InstanceMarks } from './process-entry.ts';

/**
 * Whether a process was started for the instance in this folder. Another host on the same machine has a folder of its own for an instance
 * that moved, and its agent is not touched from here.
 */
export function belongsTo(
  { name, path }: Pick<InstanceFolder, 'name' | 'path'>,
  { instanceName, instanceFolder = path }: InstanceMarks,
): boolean {
  return instanceName === name && !isAnotherFolder(instanceFolder, path);
}

/** Two paths may lead to one folder. A folder that is gone cannot be that of another host, whose agent would keep it. */
function isAnotherFolder(path: string, own: string): boolean {
  if (path === own) return false;
  const there = statSync(path, { throwIfNoEntry: false });
  if (!there) return false;
  const here = statSync(own, { throwIfNoEntry: false });
  return here?.ino !== there.ino || here.dev !== there.dev;
}
