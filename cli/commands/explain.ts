import type { Command } from 'commander';
import { readCommandLineConfiguration } from '../../configuration/command-line.ts';
import { CommandError } from '../command-error.ts';
import { withDatabase } from '../database.ts';
import { toLines } from '../explanation-lines.ts';
import { resolveEver } from '../instances.ts';
import { parseCount, parseIdPrefix, utcOption, type IdPrefix } from '../options.ts';
import { print, terminalWidth, timeFormat, toJson } from '../terminal.ts';

interface ExplainOptions {
  last: number;
  json?: true;
  utc?: true;
}

export function addExplain(program: Command): void {
  program
    .command('explain')
    .description('tell the life of an instance, of a deleted one as well, and how it stands')
    .argument('<id>', 'id of the instance, or its beginning', parseIdPrefix)
    .option('--last <n>', 'only the latest lines', parseCount, 200)
    .option('--json', 'one JSON object, times in UTC')
    .addOption(utcOption())
    .addHelpText(
      'after',
      `
Joins what the row and its event log, the dead letters, the workflow and the
runtime know, by time. A server that is away hides its part only. Dead letters
are looked at and stay where they are.

Examples:
  $ npx instances explain c6077f7e
  $ npx instances explain c6077f7e --json | jq -r .verdict.sentence`,
    )
    .action(explain);
}

async function explain(prefix: IdPrefix, { last, json, utc }: ExplainOptions): Promise<void> {
  const instanceId = prefix.complete ? prefix.text : await withDatabase((client) => resolveEver(client, prefix));
  // Loaded here, since Temporal's client takes longer to load than the other commands need.
  const { explainInstance } = await import('../../explain/explain-instance.ts');
  const { withTemporal } = await import('../temporal.ts');
  const configuration = readCommandLineConfiguration();
  const formatTime = timeFormat({ utc: json === true || utc === true });
  const explained = await explainInstance({
    instanceId,
    last,
    sources: {
      database: withDatabase,
      deadLetters: async (read) => read({ amqpUrl: configuration.amqpUrl() }),
      workflow: withTemporal,
      runtime: async (read) => read(configuration.runtimeVariables()),
    },
    formatTime,
    actions: { retry: (id) => `npx instances retry ${id}`, explain: (id) => `npx instances explain ${id}` },
  });
  if (!explained) throw new CommandError(`Nothing is known of an instance ${instanceId}. See npx instances list.`);
  const { explanation, answered } = explained;
  if (json) print(toJson(explanation, 2));
  else toLines(explanation, { formatTime, width: terminalWidth() }).forEach(print);
  if (!answered) throw new CommandError('No server could be asked. Run npm start, or set what is missing.');
}
