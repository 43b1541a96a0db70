import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { record } from '../compatibility/record.ts';
import { releasedFolder } from '../compatibility/released.ts';
import { currentContracts } from './current-contracts.ts';
import { makeDocuments, root } from './documents.ts';

/** `npm run contracts:generate` records new revisions of the contracts and brings every document up to date. */
try {
  // The documents come first, so that no contract is recorded that cannot be documented.
  const documents = await makeDocuments();
  for (const file of await record(join(root, releasedFolder), currentContracts())) {
    process.stdout.write(`kept    ${releasedFolder}/${file}\n`);
  }
  for (const { path, content } of documents) await write(path, content);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

async function write(path: string, content: string): Promise<void> {
  const file = join(root, path);
  const before = await readFile(file, 'utf8').catch(() => undefined);
  if (before === content) return;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  process.stdout.write(`${before === undefined ? 'new    ' : 'changed'} ${path}\n`);
}
