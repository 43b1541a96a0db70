import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkRelease } from '../../tools/contracts/compatibility/check-release.ts';
import { readReleased, releasedFolder } from '../../tools/contracts/compatibility/released.ts';
import { currentContracts } from '../../tools/contracts/documents/current-contracts.ts';
import { root } from '../../tools/contracts/documents/documents.ts';

const checks = checkRelease(currentContracts(), await readReleased(join(root, releasedFolder)));

test.each(checks)('$name, version $version, is what was released', ({ sentences }) => {
  expect(sentences.join('\n')).toBe('');
});
