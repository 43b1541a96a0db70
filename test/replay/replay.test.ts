import { beforeAll, describe, expect, inject, test } from 'vitest';
import { silenceReplay } from '../../workers/replay-gate/silence-replay.ts';
import { readHistories } from './histories.ts';
import { replayHistories } from './replay-histories.ts';

const histories = await readHistories();

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
