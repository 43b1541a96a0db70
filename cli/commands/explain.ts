import type { Command } from 'commander';
import { CommandError } from '../command-error.ts';
import { parseCount, parseIdPrefix, utcOption, type IdPrefix } from '../options.ts';
import { print, terminalWidth, timeFormat } from '../terminal.ts';

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

async function explain(prefix: IdPrefix, { last, json, ...options }: ExplainOptions): Promise<void> {
  // Loaded here, since Temporal's client takes longer to load than the other commands need.
  const { gather, wasAnswered } = await import('../explain/gather.ts');
  const { toJson, toLines } = await import('../explain/report.ts');
  const { judge } = await import('../explain/verdict.ts');
  const formatTime = timeFormat({ utc: json === true || options.utc === true });
  const findings = await gather(prefix, last);
  const verdict = judge(findings, { now: new Date(), formatTime });
  if (!verdict)
    throw new CommandError(`Nothing is known of an instance ${findings.instanceId}. See npx instances list.`);
  if (json) print(JSON.stringify(toJson({ findings, verdict, last }), undefined, 2));
  else toLines({ findings, verdict, last, formatTime, width: terminalWidth() }).forEach(print);
  if (!wasAnswered(findings))
    throw new CommandError('No server could be asked. Run npm start, or set what is missing.');
}
