import { join, resolve } from 'node:path';
import { Connection } from '@temporalio/client';
import { ensureSearchAttributes } from '../workers/services/search-attributes.ts';
import { closedFolder } from './closed-folder.ts';
import type { Ports } from './ports.ts';
import { type Progress, runServer, type Server } from './server.ts';
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
  // A worker then gets the activity that follows from its workflow task with the answer, without a poll in between.
  'system.enableActivityEagerExecution=true',
];
/** Without these a database file halves the throughput. */
const pragmas = ['journal_mode=WAL', 'synchronous=NORMAL'];

interface TemporalOptions {
  directory: string;
  toolsDirectory: string;
  ports: Ports;
  /** Whether the data may be lost when the server ends. */
  temporaryData?: boolean | undefined;
  onProgress?: Progress;
  signal?: AbortSignal;
}

/** Runs Temporal's dev server with its Web UI on 127.0.0.1, its database in `<directory>/temporal` or, if temporary, in memory. */
export async function startTemporal(options: TemporalOptions): Promise<TemporalServer> {
  const { directory, toolsDirectory, ports, temporaryData = false, onProgress = () => {}, signal } = options;
  const folder = closedFolder(resolve(directory, 'temporal'));
  const { way, found: command } = await findTemporal({ toolsDirectory: resolve(toolsDirectory), onProgress, signal });
  const address = `127.0.0.1:${ports.temporal}`;
  const namespace = 'default';
  const uiUrl = `http://127.0.0.1:${ports.temporalUi}`;
  const server = await runServer({
    name: 'Temporal',
    folder,
    command: 'env',
    args: [
      // Where memory is no concern, garbage is collected less often.
      ...(temporaryData ? ['GOGC=400'] : []),
      command,
      'server',
      'start-dev',
      '--ip=127.0.0.1',
      `--port=${ports.temporal}`,
      `--ui-port=${ports.temporalUi}`,
      '--log-level=warn',
      ...dynamicConfig.map((setting) => `--dynamic-config-value=${setting}`),
      ...(temporaryData
        ? []
        : [`--db-filename=${join(folder, 'temporal.db')}`, ...pragmas.map((pragma) => `--sqlite-pragma=${pragma}`)]),
    ],
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
  return { ...server, way, address, namespace, uiUrl };
}
