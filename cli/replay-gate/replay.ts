import { Client, Connection, isGrpcServiceError } from '@temporalio/client';
import { explainUntrusted, UntrustedCertificate } from '../../certificates/untrusted-certificate.ts';
import { readTemporal, temporalCertificate } from '../../configuration/temporal.ts';
import { errorMessage } from '../../supervision/errors.ts';
import { loadWorkflowBundle } from '../../workers/workflow-bundle.ts';
import * as workflows from '../../workflows/index.ts';
import { print, warn } from '../output.ts';
import { checkReplay } from '../../replay/check-replay.ts';
import type { Run } from '../../replay/fetch-histories.ts';
import { silenceReplay } from './silence-replay.ts';

export interface ReplayOptions {
  address?: string;
  namespace?: string;
  query?: string;
  limit?: number;
  concurrency: number;
  bundle?: string;
}

const progressIntervalMs = 2_000;

/**
 * Prints every run whose history the code does not replay, and a summary.
 *
 * @returns whether all histories replay
 * @throws Error that says why it could not be checked
 */
export async function replay(options: ReplayOptions): Promise<boolean> {
  silenceReplay();
  const temporal = readTemporal({ TEMPORAL_ADDRESS: options.address, TEMPORAL_NAMESPACE: options.namespace });
  const connection = await connect(temporal.connection);
  try {
    return await replayRuns(new Client({ connection, namespace: temporal.namespace }), options);
  } catch (error) {
    throw new Error(reasonOf(error), { cause: error });
  } finally {
    await connection.close();
  }
}

async function replayRuns(client: Client, { query, limit, concurrency, bundle }: ReplayOptions): Promise<boolean> {
  const types = Object.keys(workflows).map((name) => `'${name}'`);
  const filter = `WorkflowType in (${types.join(', ')})${query === undefined ? '' : ` and (${query})`}`;
  const found = (await client.workflow.count(filter)).count;
  const expected = Math.min(found, limit ?? found);
  if (expected === 0) throw new Error(`no workflow matches ${filter} in the namespace ${client.options.namespace}.`);
  let reportedAt = Date.now();
  const { replayed, failed, notBegun, vanished } = await checkReplay({
    client,
    workflowBundle: await loadWorkflowBundle(bundle),
    runs: list(client, filter, limit),
    concurrency,
    onFailure: ({ workflowId, runId, message }) => print(`BREAKS ${workflowId}, run ${runId}: ${message}`),
    onProgress: (soFar) => {
      if (Date.now() - reportedAt < progressIntervalMs) return;
      reportedAt = Date.now();
      const checked = soFar.replayed + soFar.failed + soFar.notBegun + soFar.vanished;
      warn(`${checked} of ${expected} checked, ${soFar.failed} failed`);
    },
  });
  const counts = `${replayed} replayed, ${failed} failed, ${notBegun} not begun, ${vanished} vanished meanwhile`;
  print(`${failed === 0 ? 'REPLAYS' : 'BREAKS'}: ${counts}`);
  return failed === 0;
}

async function* list(client: Client, query: string, limit = Infinity): AsyncGenerator<Run> {
  let taken = 0;
  for await (const { workflowId, runId } of client.workflow.list({ query, pageSize: 500 })) {
    if (taken >= limit) return;
    taken += 1;
    yield { workflowId, runId };
  }
}

async function connect(options: Parameters<typeof Connection.connect>[0]): Promise<Connection> {
  try {
    return await Connection.connect(options);
  } catch (error) {
    const untrusted = explainUntrusted(error, temporalCertificate(options?.address));
    if (untrusted instanceof UntrustedCertificate) throw untrusted;
    const advice = 'Start it, or correct --address or TEMPORAL_ADDRESS.';
    throw new Error(`Temporal at ${options?.address} does not answer: ${errorMessage(error)}. ${advice}`, {
      cause: error,
    });
  }
}

/** The message of the client names the call. The answer of the server, which says more, is the cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return isGrpcServiceError(cause) && !errorMessage(error).includes(cause.details)
    ? `${errorMessage(error)}: ${cause.details}`
    : errorMessage(error);
}
