import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeDocuments, root } from './documents.ts';

/** `npm run contracts:generate`: brings every document of the contracts up to date. */
for (const { path, content } of await makeDocuments()) {
  const file = join(root, path);
  const before = await readFile(file, 'utf8').catch(() => undefined);
  if (before === content) continue;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  process.stdout.write(`${before === undefined ? 'new    ' : 'changed'} ${path}\n`);
}
