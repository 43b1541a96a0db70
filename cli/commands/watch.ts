import type { Command } from 'commander';
import type { ConsumeMessage } from 'amqplib';
import { openAmqp } from '../../bridge/bus/connection.ts';
import { parseEvent, type IncomingEvent } from '../../bridge/bus/incoming-event.ts';
import { CannotWork, errorMessage, FatalError } from '../../supervision/errors.ts';
import { watchEvents } from '../../bridge/bus/watch-events.ts';
import { readCommandLineConfiguration } from '../../configuration/command-line.ts';
import { CommandError } from '../command-error.ts';
import { withDatabase } from '../database.ts';
import { eventInWords, eventToJson } from '../event-words.ts';
import { resolveInstance } from '../instances.ts';
import { parseIdPrefix, type IdPrefix } from '../ids.ts';
import { utcOption } from '../options.ts';
import { plainLine, toJson } from '../plain-text.ts';
import { print, warn } from '../output.ts';
import { timeFormat, type FormatTime } from '../terminal.ts';

interface WatchOptions {
  json?: true;
  utc?: true;
}

export function addWatch(program: Command): void {
  program
    .command('watch')
    .description('print the events of one or all instances as they arrive, until Ctrl-C')
    .argument('[id]', 'id of the instance, or its beginning (default: all instances)', parseIdPrefix)
    .option('--json', 'one JSON object a line, times in UTC')
    .addOption(utcOption())
    .addHelpText(
      'after',
      `\nExamples:\n  $ npx instances watch\n  $ npx instances watch c6077f7e --json | jq .body.status`,
    )
    .action(watch);
}

async function watch(prefix: IdPrefix | undefined, { json, ...options }: WatchOptions): Promise<void> {
  const id = prefix && (await idOf(prefix));
  const formatTime = timeFormat(options);
  const amqp = await openAmqp({ amqpUrl: readCommandLineConfiguration().amqpUrl(), connectionName: 'instances watch' });
  try {
    await watchEvents({
      channel: await amqp.openChannel(),
      keys: ['instance.*'],
      onMessage: (message) => {
        const event = readEvent(message);
        if (!event || (id !== undefined && event.metadata.subject !== id)) return;
        print(json ? toJson(eventToJson(event)) : toLine(event, formatTime));
      },
    });
    warn(`Watching ${id ?? 'all instances'}. Ctrl-C ends it.`);
    const interrupted = new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    });
    await Promise.race([interrupted, amqp.broken]);
  } catch (error) {
    const cause = amqp.explain(error);
    const wasRefused = cause instanceof FatalError || cause instanceof CannotWork;
    throw new CommandError(
      wasRefused
        ? cause.message
        : `Events are no longer seen: ${errorMessage(cause)}. Watch again once RabbitMQ is back.`,
      { cause },
    );
  } finally {
    await amqp.close();
  }
}

/** A complete id needs no database. */
async function idOf(prefix: IdPrefix): Promise<string> {
  return prefix.complete ? prefix.text : withDatabase((client) => resolveInstance(client, prefix));
}

function readEvent(message: ConsumeMessage): IncomingEvent | undefined {
  try {
    return parseEvent(message);
  } catch (error) {
    warn(`A message that is no event was left out: ${plainLine(errorMessage(error))}`);
    return undefined;
  }
}

function toLine(event: IncomingEvent, formatTime: FormatTime): string {
  const { type, metadata } = event;
  const words = plainLine(eventInWords(event));
  return `${formatTime(new Date(metadata.time))}  ${type.padEnd(16)}  ${metadata.subject}  ${words}`;
}
