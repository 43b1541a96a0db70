import { join } from 'node:path';
import { record, writeWhereNew } from '../compatibility/record.ts';
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
  for (const { path, content } of documents) {
    const change = await writeWhereNew(join(root, path), content);
    if (change) process.stdout.write(`${change.padEnd(7)} ${path}\n`);
  }
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
