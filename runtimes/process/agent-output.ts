import { z } from 'zod';
import { lastLines, quoteLastOutput } from '../last-output.ts';
import type { Secret } from '../secrets.ts';
import { inFolder, readEnd, readText, unlessMissing } from './safe-files.ts';

export const logName = 'agent.log';
export const secretsName = 'secrets.json';

const tailBytes = 4096;
/** The limit is far above the 4 MiB of a config, because the list has several forms of each text. */
const secretsBytes = 64 * 2 ** 20;

const secrets = z.array(z.object({ name: z.string(), text: z.string() }));

/** The last lines that the agent printed, and when. Undefined when it printed nothing or its log cannot be read. */
export async function readOutput(folder: string): Promise<{ text: string; at: Date } | undefined> {
  const log = await readLog(folder).catch(() => undefined);
  const known = await readSecrets(folder);
  if (log === undefined || known === undefined) return undefined;
  const text = lastLines(log.text, known);
  return text === '' ? undefined : { text, at: log.at };
}

/** A sentence that quotes the last lines that the agent printed, for the end of a message. */
export async function quoteOutput(folder: string): Promise<string> {
  let log;
  try {
    log = await readLog(folder);
  } catch {
    return 'Its output cannot be read, because it replaced its log with something else.';
  }
  const known = await readSecrets(folder);
  if (known === undefined) {
    return 'Its output is hidden, because the list of its secrets cannot be read.';
  }
  return quoteLastOutput(log && lastLines(log.text, known));
}

function readLog(folder: string): Promise<{ text: string; at: Date } | undefined> {
  return inFolder(folder, (entry) => readEnd(entry(logName), tailBytes)).catch(unlessMissing);
}

/** Undefined when there is no list. An agent that runs as the worker's user can remove it. */
async function readSecrets(folder: string): Promise<Secret[] | undefined> {
  try {
    const text = await inFolder(folder, (entry) => readText(entry(secretsName), secretsBytes));
    return secrets.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
