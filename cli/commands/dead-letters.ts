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
import { addListOptions, utcOption, type ListOptions } from '../options.ts';
import { parseIdPrefix, type IdPrefix } from '../ids.ts';
import { print, printList, printResult, warn } from '../output.ts';

interface LetterListOptions extends ListOptions {
  queue?: DeadLetterQueueName;
  instance?: IdPrefix;
}

interface SendOptions {
  all?: true;
  queue?: DeadLetterQueueName;
}

export function addDeadLetters(program: Command): void {
  const command = program
    .command('dead-letters')
    .description('show messages that no consumer could handle, and send them again')
    .addHelpText(
      'after',
      `
RabbitMQ shows a letter only by handing it out, so list and show take letters
and return them at once in their order, which takes 1 to 5 ms each. With
--instance, list reads all of them. A letter that is sent again goes to the
queue that it came from. If its consumer still cannot handle it, it returns
as a dead letter with the same id. Before a letter is sent, it is compared
with the event log, and a forged one is refused.

Examples:
  $ npx instances dead-letters list --instance c6077f7e
  $ npx instances dead-letters show 3f2a9b0c1d2e4f50
  $ npx instances dead-letters send --all --queue agents_worker.instance`,
    );
  const listCommand = command
    .command('list')
    .description('list dead letters by queue, the oldest first')
    .addOption(queueOption())
    .option('--instance <id>', 'only letters about this instance: id or its beginning', parseIdPrefix);
  addListOptions(listCommand).action(list);
  command
    .command('show')
    .description('show one letter with its headers and its body')
    .argument('<letter>', 'id of the letter, as list prints it', parseLetterId)
    .option('--json', 'one JSON object, times in UTC')
    .addOption(utcOption())
    .action(show);
  command
    .command('send')
    .description('send one letter, or all, to the queue that it came from')
    .argument('[letter]', 'id of the letter, as list prints it', parseLetterId)
    .option('--all', 'send all present letters in their order')
    .addOption(queueOption())
    .action(send);
}

async function list({ queue, instance, ...options }: LetterListOptions): Promise<void> {
  const instanceId = instance && (await idOf(instance));
  const { letters, notes } = await listDeadLetters({ ...rabbitmq(), queue, instanceId, limit: options.limit });
  printList(letters, options, { toLines: toLetterLines, toJson: letterToJson, none: 'No dead letter fits.' });
  for (const what of notes) warn(`Not looked at: ${what}.`);
}

async function show(letterId: string, options: Pick<ListOptions, 'json' | 'utc'>): Promise<void> {
  const letter = await inspectDeadLetter({ ...rabbitmq(), letterId });
  if (!letter) throw notFound(letterId);
  printResult(inspectedToJson(letter), options, ({ formatTime }) => toWholeLetter(letter, formatTime));
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

/** Compares a letter with the event log in the database of DATABASE_URL. @throws NotInEventLog */
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

/** A complete id needs no database. */
async function idOf(prefix: IdPrefix): Promise<string> {
  return prefix.complete ? prefix.text : withDatabase((client) => resolveEver(client, prefix));
}

function notFound(letterId: string): CommandError {
  return new CommandError(`There is no dead letter ${letterId}. See npx instances dead-letters list.`);
}

const queueOption = () => new Option('--queue <queue>', 'only letters of this queue').argParser(parseQueue);

function parseQueue(typed: string): DeadLetterQueueName {
  const queue = deadLetterQueueNames.find((name) => name === typed || name === deadLetterQueueOf(typed));
  if (!queue) throw new InvalidArgumentError(`It must be one of ${deadLetterQueueNames.join(', ')}.`);
  return queue;
}

function parseLetterId(typed: string): string {
  if (!/^[\da-f]{16}$/.test(typed)) throw new InvalidArgumentError('An id of a letter is 16 hexadecimal digits.');
  return typed;
}
