import { join } from 'node:path';
import { expect, test } from 'vitest';
import { currentContracts } from '../../contracts/compatibility/current-contracts.ts';
import { judge } from '../../contracts/compatibility/judge.ts';
import { readReleased, releasedFolder } from '../../contracts/compatibility/released.ts';
import { root } from '../../contracts/documents/documents.ts';

const verdicts = judge(currentContracts(), await readReleased(join(root, releasedFolder)));

test.each(verdicts)('$name, version $version, is what was released', ({ sentences }) => {
  expect(sentences.join('\n')).toBe('');
});
