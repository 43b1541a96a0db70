import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { endProcesses } from './end-processes.ts';
import { findAgent } from './find-agent.ts';
import { instanceFolder } from './instance-folder.ts';

/**
 * Ends every agent of a directory that no worker watches any more, as a reboot of the host would. The next worker reports
 * these agents as lost, and they are started again.
 */
export async function endAgents(directory: string): Promise<void> {
  const names = await readdir(resolve(directory)).catch(() => []);
  const { signal } = new AbortController();
  const endings = await Promise.allSettled(
    names
      .filter((name) => name.startsWith('instance-'))
      .map(async (name) => {
        const folder = instanceFolder(resolve(directory), name);
        const record = await folder.readRecord();
        if (!record) return;
        const leader = (await findAgent(folder, record)) ?? record.process;
        await endProcesses({ folder, record, leader, graceSeconds: record.stopGraceSeconds, signal });
      }),
  );
  const failures = endings.flatMap((ending) => (ending.status === 'rejected' ? [ending.reason as unknown] : []));
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} agents may not have been ended.`);
}
