import { z } from 'zod';
import { lastLines, quoteLastOutput } from '../last-output.ts';
import type { Secret } from '../secrets.ts';
import { inFolder, readEnd, readText, unlessMissing } from './safe-files.ts';

export const logName = 'agent.log';
export const secretsName = 'secrets.json';

const tailBytes = 4096;
/** A config has 4 MiB at most; each of its texts may be there in several forms. */
const secretsBytes = 64 * 2 ** 20;

const secrets = z.array(z.object({ name: z.string(), text: z.string() }));

/** The last lines that the agent printed, and when; undefined when it printed nothing, or they cannot be read. */
export async function readOutput(folder: string): Promise<{ text: string; at: Date } | undefined> {
  const log = await readLog(folder).catch(() => undefined);
  const known = await readSecrets(folder);
  if (log === undefined || known === undefined) return undefined;
  const text = lastLines(log.text, known);
  return text === '' ? undefined : { text, at: log.at };
}

/** A sentence with the last lines that the agent printed, to be put behind another one. */
export async function quoteOutput(folder: string): Promise<string> {
  let log;
  try {
    log = await readLog(folder);
  } catch {
    return 'What it printed cannot be read: it has put something else in the place of its log.';
  }
  const known = await readSecrets(folder);
  if (known === undefined) {
    return 'What it printed is not shown, because the list of its secrets cannot be read.';
  }
  return quoteLastOutput(log && lastLines(log.text, known));
}

function readLog(folder: string): Promise<{ text: string; at: Date } | undefined> {
  return inFolder(folder, (entry) => readEnd(entry(logName), tailBytes)).catch(unlessMissing);
}

/** Undefined where there is no list: an agent of the worker's user can remove it. */
async function readSecrets(folder: string): Promise<Secret[] | undefined> {
  try {
    const text = await inFolder(folder, (entry) => readText(entry(secretsName), secretsBytes));
    return secrets.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
