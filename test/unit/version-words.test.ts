import { expect, test } from 'vitest';
import { versionsInWords } from '../../explain/version-words.ts';

test.each([
  ['1', '1', {}, 'version 1 runs'],
  [null, '1', {}, 'version 1 is to run'],
  ['1', '2', {}, 'version 1 runs, version 2 is to run'],
  ['1', '1', { stable_version: '3', outdated: true }, 'version 1 runs; the stable version is 3'],
  [
    '1',
    '2',
    { stable_version: '3', outdated: true, version_policy: 'hold' },
    'version 1 runs, version 2 is to run; the stable version is 3; rollouts leave it alone',
  ],
  ['1', null, { stable_version: null }, 'version 1 runs'],
  [null, null, { stable_version: null }, undefined],
] as const)('with %s running and %s wanted, %j', (running_version, agent_version, further, words) => {
  const row = {
    running_version,
    agent_version,
    stable_version: '1',
    outdated: false,
    version_policy: 'follow',
  } as const;
  expect(versionsInWords({ ...row, ...further })).toBe(words);
});
