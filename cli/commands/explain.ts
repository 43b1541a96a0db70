import type { Command } from 'commander';
import { readCommandLineConfiguration } from '../../configuration/command-line.ts';
import { CommandError } from '../command-error.ts';
import { withDatabase } from '../database.ts';
import { toLines } from '../explanation-lines.ts';
import { resolveEver } from '../instances.ts';
import { parseCount, utcOption } from '../options.ts';
import { parseIdPrefix, type IdPrefix } from '../ids.ts';
import { printResult } from '../output.ts';
import { timeFormat } from '../terminal.ts';

interface ExplainOptions {
  last: number;
  json?: true;
  utc?: true;
}

export function addExplain(program: Command): void {
  program
    .command('explain')
    .description('print the timeline and the present state of an instance, also of a deleted one')
    .argument('<id>', 'id of the instance, or its beginning', parseIdPrefix)
    .option('--last <n>', 'print only the latest lines of the timeline', parseCount, 200)
    .option('--json', 'one JSON object, times in UTC')
    .addOption(utcOption())
    .addHelpText(
      'after',
      `
The timeline joins what the row, the event log, the dead letters, the workflow
and the runtime know. When a server does not answer, only its part is missing.
Dead letters stay in their queues.

Examples:
  $ npx instances explain c6077f7e
  $ npx instances explain c6077f7e --json | jq -r .verdict.sentence`,
    )
    .action(explain);
}

async function explain(prefix: IdPrefix, { last, ...options }: ExplainOptions): Promise<void> {
  const instanceId = prefix.complete ? prefix.text : await withDatabase((client) => resolveEver(client, prefix));
  // Loaded here, since Temporal's client takes longer to load than the other commands need.
  const { explainInstance } = await import('../../explain/explain-instance.ts');
  const { withTemporal } = await import('../temporal.ts');
  const configuration = readCommandLineConfiguration();
  const formatTime = timeFormat({ utc: options.json ?? options.utc });
  const explained = await explainInstance({
    instanceId,
    last,
    sources: {
      database: withDatabase,
      deadLetters: async (read) => read({ amqpUrl: configuration.amqpUrl() }),
      workflow: withTemporal,
      runtime: async (read) => read({ variables: configuration.runtimeVariables(), scope: configuration.scope() }),
    },
    withHost: true,
    formatTime,
    actions: {
      retry: (id) => `npx instances retry ${id}`,
      explain: (id) => `npx instances explain ${id}`,
      findHost: () => 'npx instances hosts list shows them all',
      forgetHost: (id) => `npx instances hosts forget ${id}`,
    },
  });
  if (!explained) throw new CommandError(`Nothing is known of an instance ${instanceId}. See npx instances list.`);
  const { explanation, answered } = explained;
  printResult(explanation, options, (layout) => toLines(explanation, layout));
  if (!answered) throw new CommandError('No server could be asked. Run npm start, or set what is missing.');
}
