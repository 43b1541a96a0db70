import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { Worker } from '@temporalio/worker';
import { beforeAll, expect, inject, test } from 'vitest';
import { foresee } from '../../activities/gate/foresee.ts';
import { isAtRest } from '../../activities/gate/is-at-rest.ts';
import { silenceReplay } from '../../cli/replay-gate/silence-replay.ts';
import type { FetchedHistory } from '../../replay/fetch-histories.ts';
import { hearDecisions } from '../../replay/decision-sinks.ts';
import type { Decision } from '../../workflows/decision-sink.ts';
import { removeReplayHooks } from '../support/replay-hooks.ts';
import { bundleChangedWorkflows } from './changed-workflows.ts';
import { findHistories } from './histories.ts';

type History = FetchedHistory['history'];

beforeAll(() => silenceReplay());

/** The beginnings of the recorded histories of instances at whose end the instance is at rest. */
async function findRests(): Promise<{ name: string; history: History }[]> {
  const { histories } = await findHistories();
  return histories.flatMap(({ name, history }) => {
    const { events } = historyFromJSON(history);
    const isOfInstance =
      events?.[0]?.workflowExecutionStartedEventAttributes?.workflowType?.name === 'instanceWorkflow';
    return (isOfInstance ? beginningsOf(events ?? []) : [])
      .map((beginning) => ({ name: `${name} up to event ${beginning.length}`, history: { events: beginning } }))
      .filter((beginning) => isAtRest(beginning.history));
  });
}

/**
 * Each history as it was between the commands of a workflow task and the next event from outside. A task that follows at once belongs to the
 * same step of the server.
 */
function beginningsOf(events: NonNullable<History['events']>) {
  return events.flatMap((event, index) => {
    const next = events[index + 1];
    const ends =
      !isCommand(next) &&
      !next?.workflowTaskScheduledEventAttributes &&
      (isCommand(event) || event.workflowTaskCompletedEventAttributes);
    return ends && !isEnd(event) ? [events.slice(0, index + 1)] : [];
  });
}

const isCommand = (event: object | undefined): boolean =>
  Object.values(event ?? {}).some((value: unknown) =>
    Boolean((value as { workflowTaskCompletedEventId?: unknown } | null)?.workflowTaskCompletedEventId),
  );
const isEnd = (event: object): boolean => {
  const type = event as {
    workflowExecutionCompletedEventAttributes?: unknown;
    workflowExecutionContinuedAsNewEventAttributes?: unknown;
  };
  return Boolean(type.workflowExecutionCompletedEventAttributes ?? type.workflowExecutionContinuedAsNewEventAttributes);
};

/** What is foreseen of each history, by its name. */
async function foreseeAll(
  workflowBundle: { code: string } | { codePath: string },
  rests: { name: string; history: History }[],
) {
  let last: Decision | undefined;
  const found: Record<string, string> = {};
  const sinks = hearDecisions((decision) => (last = decision));
  const named = rests.map(({ name, history }) => ({ workflowId: name, history }));
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle, sinks }, named)) {
    if (error) throw new Error(`${workflowId} does not replay`, { cause: error });
    const foreseen = last && foresee(last);
    if (!last || foreseen) found[workflowId] = foreseen?.message ?? 'It decided nothing.';
    last = undefined;
  }
  removeReplayHooks();
  return found;
}

test('the code as it is leaves each instance that is at rest alone', async () => {
  const rests = await findRests();
  expect(rests.length).toBeGreaterThan(50);
  expect(await foreseeAll({ codePath: inject('workflowBundle') }, rests)).toEqual({});
});

test('code that would start the agent of an instance at rest again replays its history, and is found', async () => {
  const rests = (await findRests()).filter(({ name }) => name.startsWith('runs-on up to'));
  const bundle = await bundleChangedWorkflows([
    {
      file: 'decide.ts',
      from: "runtime.kind === 'running' ? runtime.generation : generation) ?? wait",
      to: "runtime.kind === 'running' ? runtime.generation : generation) ?? provisionOf(state, generation)",
    },
  ]);
  const found = await foreseeAll(bundle, rests.slice(-1));
  expect(Object.values(found)).toEqual([expect.stringContaining('start its agent again')]);
}, 180_000);
