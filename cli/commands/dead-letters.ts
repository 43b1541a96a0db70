import { InvalidArgumentError, Option, type Command } from 'commander';
import { checkAgainstLog, NotInEventLog } from '../../bridge/dead-letters/check-against-log.ts';
import { inspectDeadLetter } from '../../bridge/dead-letters/inspect-letter.ts';
import { inspectedToJson, letterToJson } from '../../bridge/dead-letters/letter-json.ts';
import { listDeadLetters } from '../../bridge/dead-letters/list-letters.ts';
import { sendAgain, sendAllAgain, type CheckLetter } from '../../bridge/dead-letters/send-again.ts';
import { deadLetterQueueNames, deadLetterQueueOf, type DeadLetterQueueName } from '../../contracts/topology.ts';
import { readCommandLineConfiguration } from '../../configuration/command-line.ts';
import { CommandError, exitCodes } from '../command-error.ts';
import { withDatabase } from '../database.ts';
import { resolveEver } from '../instances.ts';
import { toLetterLines, toWholeLetter } from '../letter-lines.ts';
import { parseCount, parseIdPrefix, utcOption, type IdPrefix } from '../options.ts';
import { print, terminalWidth, timeFormat, toJson, warn } from '../terminal.ts';

interface ListOptions {
  queue?: DeadLetterQueueName;
  instance?: IdPrefix;
  limit: number;
  json?: true;
  utc?: true;
}

interface SendOptions {
  all?: true;
  queue?: DeadLetterQueueName;
}

export function addDeadLetters(program: Command): void {
  const command = program
    .command('dead-letters')
    .description('look at messages that no consumer could handle, and send them again')
    .addHelpText(
      'after',
      `
Letters are looked at by taking them and giving them back at once, in their
order, some 1 to 5 ms each; with --instance, all of them are looked at. One that is
sent again goes to its old queue; if its consumer still cannot handle it, it
comes back as a dead letter of the same id. Before, it is compared with the
event log: one that somebody forged is refused.

Examples:
  $ npx instances dead-letters list --instance c6077f7e
  $ npx instances dead-letters show 3f2a9b0c1d2e4f50
  $ npx instances dead-letters send --all --queue agents_worker.instance`,
    );
  command
    .command('list')
    .description('list dead letters by queue, the oldest first')
    .addOption(queueOption())
    .option('--instance <id>', 'only those that are about this instance: id or its beginning', parseIdPrefix)
    .option('--limit <n>', 'at most so many', parseCount, 50)
    .option('--json', 'one JSON array, times in UTC')
    .addOption(utcOption())
    .action(list);
  command
    .command('show')
    .description('show one letter with its headers and its body')
    .argument('<letter>', 'id of the letter, as list prints it', parseLetterId)
    .option('--json', 'one JSON object, times in UTC')
    .addOption(utcOption())
    .action(show);
  command
    .command('send')
    .description('send one letter again, or all, to the queue that it came from')
    .argument('[letter]', 'id of the letter, as list prints it', parseLetterId)
    .option('--all', 'all letters that are there now, in their order')
    .addOption(queueOption())
    .action(send);
}

async function list({ queue, instance, limit, json, ...options }: ListOptions): Promise<void> {
  const instanceId = instance && (await idOf(instance));
  const { letters, notes } = await listDeadLetters({ ...rabbitmq(), queue, instanceId, limit });
  if (json) print(toJson(letters.map(letterToJson), 2));
  else if (letters.length > 0)
    toLetterLines(letters, { formatTime: timeFormat(options), width: terminalWidth() }).forEach(print);
  else warn('No dead letter fits.');
  for (const what of notes) warn(`Not looked at: ${what}.`);
}

async function show(letterId: string, { json, ...options }: Pick<ListOptions, 'json' | 'utc'>): Promise<void> {
  const letter = await inspectDeadLetter({ ...rabbitmq(), letterId });
  if (!letter) throw notFound(letterId);
  if (json) print(toJson(inspectedToJson(letter), 2));
  else toWholeLetter(letter, timeFormat(options)).forEach(print);
}

async function send(letterId: string | undefined, { all, queue }: SendOptions): Promise<void> {
  if ((all === true) === (letterId !== undefined)) {
    throw new CommandError('Give the id of a letter, or --all.', { exitCode: exitCodes.usage });
  }
  if (letterId === undefined) {
    let refused = 0;
    const onRefused = (letter: { letterId: string }, reason: Error): void => {
      refused += 1;
      warn(refusalOf(letter.letterId, reason));
    };
    const onSent = (sent: { letterId: string; originQueue: string }): void =>
      print(`The letter ${sent.letterId} was sent to ${sent.originQueue}.`);
    const count = await sendAllAgain({ ...rabbitmq(), queue, check, onSent, onRefused });
    if (refused > 0) throw new CommandError(`${refused} of ${count + refused} letters were not sent.`);
    if (count === 0) warn('There is no dead letter.');
    return;
  }
  const result = await sendAgain({ ...rabbitmq(), queue, letterId, check }).catch((error: unknown) => {
    throw error instanceof NotInEventLog ? new CommandError(refusalOf(letterId, error), { cause: error }) : error;
  });
  if (result === 'not found') throw notFound(letterId);
  print(`The letter ${letterId} was sent again.`);
}

/** Against the database of DATABASE_URL. */
async function check(message: Parameters<CheckLetter>[0]): Promise<void> {
  const refusal = await withDatabase(async (client) => {
    try {
      await checkAgainstLog(client, message);
      return undefined;
    } catch (error) {
      if (error instanceof NotInEventLog) return error;
      throw error;
    }
  });
  if (refusal) throw refusal;
}

function refusalOf(letterId: string, { message }: Error): string {
  return `The letter ${letterId} is refused: ${message}. It stays where it is.`;
}

function rabbitmq() {
  return { amqpUrl: readCommandLineConfiguration().amqpUrl(), connectionName: 'instances dead-letters' };
}

/** Only an abbreviation has to be looked up. */
async function idOf(prefix: IdPrefix): Promise<string> {
  return prefix.complete ? prefix.text : withDatabase((client) => resolveEver(client, prefix));
}

function notFound(letterId: string): CommandError {
  return new CommandError(`There is no dead letter ${letterId}. See npx instances dead-letters list.`);
}

const queueOption = () => new Option('--queue <queue>', 'only those of this queue').argParser(parseQueue);

function parseQueue(typed: string): DeadLetterQueueName {
  const queue = deadLetterQueueNames.find((name) => name === typed || name === deadLetterQueueOf(typed));
  if (!queue) throw new InvalidArgumentError(`It must be one of ${deadLetterQueueNames.join(', ')}.`);
  return queue;
}

function parseLetterId(typed: string): string {
  if (!/^[\da-f]{16}$/.test(typed)) throw new InvalidArgumentError('An id of a letter is 16 hexadecimal digits.');
  return typed;
}
