import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** What `npm run histories:record` wrote: one file per scenario, in Temporal's JSON form of a history. */
export const historiesDirectory = fileURLToPath(new URL('histories/', import.meta.url));

export interface RecordedHistory {
  /** Of its file, without `.json`; those of earlier versions of the code with their folder. */
  name: string;
  text: string;
  /** Parsed JSON, as `Worker.runReplayHistory` takes it. */
  history: unknown;
}

export async function readHistories(): Promise<RecordedHistory[]> {
  const files = (await readdir(historiesDirectory, { recursive: true })).filter((file) => file.endsWith('.json'));
  return Promise.all(
    files.toSorted().map(async (file) => {
      const text = await readFile(new URL(`histories/${file}`, import.meta.url), 'utf8');
      return { name: file.replace(/\.json$/, ''), text, history: JSON.parse(text) as unknown };
    }),
  );
}
