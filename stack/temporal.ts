import { join, resolve } from 'node:path';

import { Connection } from '@temporalio/client';

import { ensureSearchAttributes } from '../workers/services/search-attributes.ts';
import { closedFolder } from './closed-folder.ts';
import { endProcess, endRecorded, isRunning } from './process-reference.ts';
import { logFileOf } from './server-log.ts';
import { type Progress, type Server, spawnServer, untilReady } from './server.ts';
import { findTemporal } from './temporal-find.ts';

export interface TemporalServer extends Server {
  address: string;
  namespace: string;
  uiUrl: string;
}

/** One history shard polls its queues 20 times a second unless told otherwise, which costs 45 ms for each task. */
const dynamicConfig = [
  ...['transferProcessor', 'timerProcessor', 'visibilityProcessor'].map(
    (processor) => `history.${processor}MaxPollRPS=2000`,
  ),
  // Signals that come while a workflow task is under way are held back; beyond the default of 100, Temporal gives the task up.
  'history.maximumBufferedEventsBatch=2000',
];
/** Without these a database file halves the throughput. */
const pragmas = ['journal_mode=WAL', 'synchronous=NORMAL'];

/** Runs Temporal's dev server with its Web UI on 127.0.0.1, its database in `<directory>/temporal`. */
export async function startTemporal({
  directory,
  toolsDirectory,
  port,
  uiPort,
  onProgress = () => {},
  signal,
}: {
  /** The folder of the whole stack. */
  directory: string;
  /** Where a server that had to be downloaded or built is kept. */
  toolsDirectory: string;
  port: number;
  uiPort: number;
  onProgress?: Progress;
  signal?: AbortSignal;
}): Promise<TemporalServer> {
  const folder = resolve(directory, 'temporal');
  const recordFile = join(folder, 'process.json');
  await endRecorded(recordFile);
  closedFolder(folder);
  const { way, found: command } = await findTemporal({ toolsDirectory: resolve(toolsDirectory), onProgress, signal });
  const logFile = logFileOf(directory, 'temporal');
  const reference = await spawnServer({
    command,
    args: [
      'server',
      'start-dev',
      '--ip=127.0.0.1',
      `--port=${port}`,
      `--ui-port=${uiPort}`,
      `--db-filename=${join(folder, 'temporal.db')}`,
      '--log-level=warn',
      ...dynamicConfig.map((setting) => `--dynamic-config-value=${setting}`),
      ...pragmas.map((pragma) => `--sqlite-pragma=${pragma}`),
    ],
    cwd: folder,
    logFile,
    recordFile,
  });
  const address = `127.0.0.1:${port}`;
  const namespace = 'default';
  const uiUrl = `http://127.0.0.1:${uiPort}`;
  await untilReady({
    name: 'Temporal',
    reference,
    logFile,
    signal,
    probe: async () => {
      const connection = await Connection.connect({ address, connectTimeout: '2s' });
      try {
        await connection.workflowService.describeNamespace({ namespace });
        await ensureSearchAttributes(connection, namespace);
      } finally {
        await connection.close();
      }
      await fetch(uiUrl);
    },
  });
  return {
    way,
    address,
    namespace,
    uiUrl,
    isRunning: () => isRunning(reference),
    stop: () => endProcess(reference),
    kill: () => endProcess(reference, { signal: 'SIGKILL' }),
  };
}
