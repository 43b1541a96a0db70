import { join } from 'node:path';
import { expect, test } from 'vitest';
import { judge } from '../../tools/contracts/compatibility/judge.ts';
import { readReleased, releasedFolder } from '../../tools/contracts/compatibility/released.ts';
import { currentContracts } from '../../tools/contracts/documents/current-contracts.ts';
import { root } from '../../tools/contracts/documents/documents.ts';

const verdicts = judge(currentContracts(), await readReleased(join(root, releasedFolder)));

test.each(verdicts)('$name, version $version, is what was released', ({ sentences }) => {
  expect(sentences.join('\n')).toBe('');
});
