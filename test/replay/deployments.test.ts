import { beforeAll, describe, expect, test } from 'vitest';
import { silenceReplay } from '../../cli/replay-gate/silence-replay.ts';
import { loadDeploymentBundle } from '../../workers/workflow-bundle.ts';
import { deploymentHistoriesDirectory, findHistories } from './histories.ts';
import { replayHistories } from './replay-histories.ts';
import { readPayloads } from './scrub.ts';

const { histories, unreadable } = await findHistories(deploymentHistoriesDirectory);

describe('the workflow code of the deployer replays', () => {
  let differences: Map<string, string | undefined>;

  beforeAll(async () => {
    silenceReplay();
    differences = await replayHistories(await loadDeploymentBundle(), histories);
  });

  test.for(histories)('$name', ({ name }) => {
    expect([...differences.keys()]).toContain(name);
    expect(differences.get(name)).toBeUndefined();
  });
});

test('the histories of deployments can be read, and take every kind of step', () => {
  expect(unreadable).toEqual([]);
  const taken = new Set(histories.flatMap(({ text }) => text.match(/"activityType":\{"name":"(\w+)"/g) ?? []));
  expect(new Set([...taken].map((match) => match.split('"').at(-2)))).toEqual(
    new Set([
      'checkCandidate',
      'healRuns',
      'observeCandidate',
      'readDeployment',
      'recordDeployment',
      'retireBuilds',
      'routeTasks',
      'takeOverRouting',
      'watchDeployment',
    ]),
  );
});

test('the histories of deployments say nothing of the machine that they were recorded on', () => {
  const ofAMachine =
    /"identity":"(?!worker"|temporal-)[^"]*|\d+@[\w.-]+|\/(?:home|root|Users|work|workspace|opt|srv)\/[^"\s]*/g;
  expect(histories.flatMap(({ text }) => `${text}\n${readPayloads(text)}`.match(ofAMachine) ?? [])).toEqual([]);
});
