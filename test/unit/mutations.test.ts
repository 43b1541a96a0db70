import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../../tools/contracts/documents/documents.ts';
import { mutations } from '../mutations/mutations.ts';

test.each(mutations)('npm run contracts:mutate finds one place for $name', async ({ file, find }) => {
  if (find === undefined) return;
  const parts = (await readFile(join(root, file), 'utf8')).split(find);
  expect(parts).toHaveLength(2);
});
