import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';

/** Histories as `npm run histories:record` writes them: one file per scenario, in Temporal's JSON form. */
export const historiesDirectory = fileURLToPath(new URL('histories/', import.meta.url));
/** Those of the workflow of deployments, which the deployer has in a bundle of its own. */
export const deploymentHistoriesDirectory = fileURLToPath(new URL('deployment-histories/', import.meta.url));

export interface RecordedHistory {
  /** The name of its file without `.json`. Histories from before a patch have their folder in it. */
  name: string;
  text: string;
  /** Parsed JSON, as `Worker.runReplayHistory` takes it. */
  history: unknown;
}

export interface UnreadableHistory {
  name: string;
  /** For a person: which file, what is wrong with it, and what is expected. */
  problem: string;
}

/** Every file of a folder that ends in `.json`, whether it holds a history or not. */
export async function findHistories(
  directory = historiesDirectory,
): Promise<{ histories: RecordedHistory[]; unreadable: UnreadableHistory[] }> {
  const files = (await readdir(directory, { recursive: true })).filter((file) => file.endsWith('.json'));
  const histories: RecordedHistory[] = [];
  const unreadable: UnreadableHistory[] = [];
  for (const file of files.toSorted()) {
    const name = file.replace(/\.json$/, '');
    try {
      const text = await readFile(new URL(file, pathToFileURL(`${directory}/`)), 'utf8');
      histories.push({ name, text, history: parseHistory(text) });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      unreadable.push({ name, problem: `${file} holds no history: ${why.replaceAll(/\s+/g, ' ')}. ${expected}` });
    }
  }
  return { histories, unreadable };
}

const expected =
  'A history is what `temporal workflow show --output json` prints: {"events": [{"eventId": "1", "eventType": ' +
  '"EVENT_TYPE_WORKFLOW_EXECUTION_STARTED", …}, …]}, whole and from its first event; or the same as "history" of another object.';

const hint = 'JSON.stringify writes the objects of the SDK in another form; historyToJSON writes this one';

/** @throws Error saying what is wrong */
function parseHistory(text: string): unknown {
  if (text.trim() === '') throw new Error('it is empty');
  const parsed = parseJson(text);
  const history = isObject(parsed) && isObject(parsed['history']) ? parsed['history'] : parsed;
  if (!isObject(history)) throw new Error('it is JSON, but no object');
  const { events } = history;
  if (!Array.isArray(events)) throw new Error('it has no list of "events"');
  if (events.length === 0) throw new Error('it has no event');
  const strange = events.findIndex((event) => !isObject(event) || typeof event['eventType'] !== 'string');
  if (strange >= 0) {
    throw new Error(`event ${strange + 1} has no "eventType" in words (${hint})`);
  }
  try {
    historyFromJSON(history);
  } catch (error) {
    throw new Error(`its events cannot be read: ${error instanceof Error ? error.message : String(error)} (${hint})`, {
      cause: error,
    });
  }
  return history;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Error(`it is not JSON (${error instanceof Error ? error.message : String(error)})`, { cause: error });
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
