import { Client, Connection, isGrpcServiceError } from '@temporalio/client';
import { Command, InvalidArgumentError } from 'commander';
import { errorMessage } from '../supervision/errors.ts';
import * as workflows from '../workflows/index.ts';
import { explainUntrusted, UntrustedCertificate } from '../certificates/untrusted-certificate.ts';
import { temporalCertificate } from '../configuration/temporal.ts';
import { findPasswordOnCommandLine } from '../configuration/command-line-passwords.ts';
import { readTemporal } from '../configuration/temporal.ts';
import { checkReplay, type ReplayCounts } from './replay-gate/check-replay.ts';
import type { Run } from './replay-gate/fetch-histories.ts';
import { silenceReplay } from './replay-gate/silence-replay.ts';
import { loadWorkflowBundle } from './workflow-bundle.ts';

interface Options {
  address?: string;
  namespace?: string;
  query?: string;
  limit?: number;
  concurrency: number;
  bundle?: string;
}

const exitCodes = { replays: 0, breaks: 1, notChecked: 2 };
const progressIntervalMs = 2_000;

const refusal = findPasswordOnCommandLine(process.argv.slice(2));
if (refusal !== undefined) {
  process.stderr.write(`Not checked: ${refusal}\n`);
  process.exit(exitCodes.notChecked);
}

const command = new Command('npm run replay --')
  .description('Replays the histories of a live Temporal against this working tree, as a gate before a deployment.')
  .option('--address <host:port>', "Temporal's frontend; TEMPORAL_ADDRESS or a profile otherwise")
  .option('--namespace <name>', 'TEMPORAL_NAMESPACE or a profile otherwise')
  .option('--query <filter>', 'which workflows, as a list filter of Temporal; all otherwise')
  .option('--limit <count>', 'at most so many runs', count)
  .option('--concurrency <count>', 'histories fetched at the same time', count, 8)
  .option('--bundle <file>', 'check this bundle of `npm run build` instead of the working tree')
  .addHelpText('after', '\nExit code 0: all replay. 1: at least one does not. 2: it could not be checked.')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : exitCodes.notChecked))
  .parse();

const exitCode = await check(command.opts<Options>()).catch((error: unknown) => {
  process.stderr.write(`Not checked: ${reasonOf(error)}\n`);
  return exitCodes.notChecked;
});
// Temporal's native runtime would keep a process alive that never came to replay anything.
process.exit(exitCode);

async function check({ address, namespace, query, limit, concurrency, bundle }: Options): Promise<number> {
  silenceReplay();
  const temporal = readTemporal({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace });
  const connection = await connect(temporal.connection);
  try {
    const client = new Client({ connection, namespace: temporal.namespace });
    const types = Object.keys(workflows).map((name) => `'${name}'`);
    const filter = `WorkflowType in (${types.join(', ')})${query === undefined ? '' : ` and (${query})`}`;
    const found = (await client.workflow.count(filter)).count;
    const expected = Math.min(found, limit ?? found);
    if (expected === 0) throw new Error(`no workflow matches ${filter} in the namespace ${temporal.namespace}.`);
    const workflowBundle = await loadWorkflowBundle(bundle);
    let reportedAt = Date.now();
    const counts = await checkReplay({
      client,
      workflowBundle,
      runs: list(client, filter, limit),
      concurrency,
      onFailure: ({ workflowId, runId, message }) => say(`BREAKS ${workflowId}, run ${runId}: ${message}`),
      onProgress: (soFar) => {
        if (Date.now() - reportedAt < progressIntervalMs) return;
        reportedAt = Date.now();
        process.stderr.write(`${seen(soFar)} of ${expected} checked, ${soFar.failed} failed\n`);
      },
    });
    const { replayed, failed, notBegun, vanished } = counts;
    say(
      `${failed === 0 ? 'REPLAYS' : 'BREAKS'}: ${replayed} replayed, ${failed} failed, ${notBegun} not begun, ${vanished} vanished meanwhile`,
    );
    return failed === 0 ? exitCodes.replays : exitCodes.breaks;
  } finally {
    await connection.close();
  }
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

/** The client says what it tried; what the server answered is the cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return isGrpcServiceError(cause) && !errorMessage(error).includes(cause.details)
    ? `${errorMessage(error)}: ${cause.details}`
    : errorMessage(error);
}

function seen({ replayed, failed, notBegun, vanished }: ReplayCounts): number {
  return replayed + failed + notBegun + vanished;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function count(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('It must be a whole number above 0.');
  return number;
}
