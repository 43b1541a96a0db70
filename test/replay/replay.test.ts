import { beforeAll, describe, expect, inject, test } from 'vitest';
import { silenceReplay } from '../../cli/replay-gate/silence-replay.ts';
import { findHistories } from './histories.ts';
import { replayHistories } from './replay-histories.ts';

const { histories, unreadable } = await findHistories();

describe('the workflow code of the working tree replays', () => {
  let differences: Map<string, string | undefined>;

  beforeAll(async () => {
    silenceReplay();
    differences = await replayHistories({ codePath: inject('workflowBundle') }, histories);
  });

  test.for(histories)('$name', ({ name }) => {
    expect([...differences.keys()]).toContain(name);
    expect(differences.get(name)).toBeUndefined();
  });
});

test.for(unreadable)('$name is a history', ({ problem }) => {
  expect.unreachable(problem);
});
