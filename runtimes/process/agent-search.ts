import type { Logger } from 'pino';
import type { AgentWatcher } from './agent-watcher.ts';
import { createChangedRecords } from './changed-records.ts';
import type { FolderWorkers } from './folder-workers.ts';
import type { InstanceFolder } from './instance-folder.ts';
import { isAlive } from './process-table.ts';

interface SearchOptions {
  directory: string;
  folderOf: (instanceId: string) => InstanceFolder;
  watcher: AgentWatcher;
  workers: FolderWorkers;
  logger: Logger;
}

/**
 * Finds agents of the folder that other workers started, earlier or side by side, and has them watched.
 */
export function createAgentSearch({ directory, folderOf, watcher, workers, logger }: SearchOptions) {
  const records = createChangedRecords(directory);
  const unreadable = new Set<string>();
  const replaceable = new Set<string>();

  async function watchFound(instanceId: string): Promise<void> {
    const folder = folderOf(instanceId);
    const record = await folder.readRecord();
    if (record?.replaceAfterSeconds === undefined) replaceable.delete(instanceId);
    else replaceable.add(instanceId);
    // A start or an end that was interrupted is finished by the repeat of its call.
    if (!record?.process || record.phase !== 'running' || record.startedBy === workers.ownId) return;
    const { runtimeId, process: identity, startedBy } = record;
    if (isAlive(identity)) watcher.add({ instanceId, runtimeId, folder, identity, startedBy });
    // An agent that is watched is found gone by the next poll.
    else if (!watcher.knows(runtimeId) && (await folder.readReported()) !== runtimeId) {
      watcher.addLost({ instanceId, runtimeId, folder, startedBy });
    }
  }

  /** @returns whether the fence has to be up, because an agent of the folder has a time of replacement */
  return async function search(): Promise<boolean> {
    const { changed, removed } = await records.look();
    for (const instanceId of [...removed, ...changed]) watcher.forgetEnd(instanceId);
    for (const instanceId of removed) replaceable.delete(instanceId);
    for (const instanceId of changed) {
      try {
        await watchFound(instanceId);
        unreadable.delete(instanceId);
      } catch (error) {
        records.forget(instanceId);
        if (unreadable.has(instanceId)) continue;
        unreadable.add(instanceId);
        logger.error({ err: error, instanceId }, 'an agent is not watched, because its folder cannot be read');
      }
    }
    return replaceable.size > 0;
  };
}
