import { describe, expect, test } from 'vitest';
import { decide, type Effect } from '../../workflows/decide.ts';
import { describeProgress } from '../../workflows/describe-progress.ts';
import { evolve } from '../../workflows/evolve.ts';
import type { InstanceEvent } from '../../workflows/state.ts';
import {
  conditionOf,
  transitions,
  desiredStateOf,
  type Condition,
  type KnownDesiredState,
} from '../../workflows/transitions.ts';
import {
  agentExited,
  agentMissing,
  agentRetired,
  agentUnknown,
  begun,
  cleanedUp,
  cleanUpFailed,
  cleanUpTimedOut,
  checkRequested,
  deletionHeard,
  drained,
  exit,
  finalRecorded,
  notWanted,
  pauseOver,
  provisioned,
  provisioningFailed,
  published,
  record,
  recorded,
  retry,
  row,
  rowGone,
  rowRead,
  rowChanged,
} from '../support/instance-events.ts';
import { conditions, dueAt, generation, obstacleReasons, stateIn, desiredStates } from '../support/instance-states.ts';

const wait: Effect = { type: 'wait' };
const waitUntilDue: Effect = { type: 'wait', until: dueAt };
const cleanUp: Effect = { type: 'cleanUp' };
const provision: Effect = { type: 'provision', generation, resume: false };
const running = record('running', generation);
const stopped = record('stopped', generation);
const final: Effect = { type: 'recordFinalStatus' };
const failed = record('failed', generation, agentExited);
const awaiting = record('pending', generation, agentUnknown);
const restarting = record('pending', generation, obstacleReasons.restarting);
const drainedOut = record('stopped', generation, agentRetired);
const stuck = record('failed', generation, cleanUpTimedOut);

/** What is done in every cell, where the row says `pending`. In the order of the columns of the table. */
const effects: Record<Condition, Record<KnownDesiredState, Effect>> = {
  obsolete: { unknown: wait, running: cleanUp, stopped: cleanUp, gone: cleanUp },
  current: { unknown: wait, running, stopped: cleanUp, gone: cleanUp },
  outdated: { unknown: wait, running: provision, stopped: cleanUp, gone: cleanUp },
  uncertain: { unknown: wait, running: provision, stopped: cleanUp, gone: cleanUp },
  clean: { unknown: wait, running: provision, stopped, gone: final },
  failedUncertain: { unknown: wait, running: cleanUp, stopped: cleanUp, gone: cleanUp },
  failed: { unknown: wait, running: failed, stopped, gone: final },
  awaitingAgentUncertain: { unknown: wait, running: cleanUp, stopped: cleanUp, gone: cleanUp },
  awaitingAgent: { unknown: wait, running: awaiting, stopped, gone: final },
  restarting: { unknown: waitUntilDue, running: restarting, stopped: cleanUp, gone: cleanUp },
  stuck: { unknown: waitUntilDue, running: stuck, stopped: stuck, gone: waitUntilDue },
  drainedUncertain: { unknown: wait, running: cleanUp, stopped: cleanUp, gone: cleanUp },
  drained: { unknown: wait, running: drainedOut, stopped: drainedOut, gone: final },
};

/** Nothing older than a generation can run where no generation is knownRow: that state is `current`. */
const cells = conditions
  .flatMap((condition) => desiredStates.map((desiredState) => ({ condition, desiredState })))
  .filter(
    ({ condition, desiredState }) =>
      condition !== 'outdated' || desiredState === 'running' || desiredState === 'stopped',
  );

describe('the table of transitions', () => {
  test('is whole', () => {
    expect(Object.keys(transitions)).toEqual(conditions);
    for (const steps of Object.values(transitions)) expect(Object.keys(steps)).toEqual(desiredStates);
  });

  test.each(cells)('$condition × $desiredState', ({ condition, desiredState }) => {
    const state = stateIn(condition, desiredState);
    expect([conditionOf(state), desiredStateOf(state)]).toEqual([condition, desiredState]);
    const effect = decide(state);
    expect(effect).toEqual(effects[condition][desiredState]);
    expect(describeProgress(state, effect)).toMatch(/\.$/);
  });

  test('has a column for no desiredState heard yet in which nothing is done', () => {
    for (const steps of Object.values(transitions)) expect(steps.unknown).toBe('wait');
  });
});

/** What it is done with when its step was to record something. */
const afterRecording = ({
  condition,
  desiredState,
}: {
  condition: Condition;
  desiredState: KnownDesiredState;
}): Effect => {
  const state = stateIn(condition, desiredState);
  const effect = decide(state);
  if (effect.type === 'recordFinalStatus') return decide(evolve(state, finalRecorded, 0));
  if (effect.type !== 'recordStatus') throw new Error(`${effect.type} records nothing`);
  const recordedState = desiredState === 'stopped' ? 'stopped' : 'running';
  return decide(evolve(state, recorded(effect.status, row(5, generation, recordedState), effect.reason), 0));
};
const records = cells.filter(({ condition, desiredState }) =>
  transitions[condition][desiredState].startsWith('record'),
);

test.each(records)('what $condition × $desiredState records is recorded once', ({ condition, desiredState }) => {
  const pauses = condition === 'restarting' || condition === 'stuck';
  const rest = pauses ? waitUntilDue : wait;
  expect(afterRecording({ condition, desiredState })).toEqual(desiredState === 'gone' ? { type: 'complete' } : rest);
});

test.each(conditions.filter((condition) => transitions[condition].running === 'provision'))(
  'where the row says something else, %s is pending before it is provisioned',
  (condition) => {
    const state = stateIn(condition, 'running');
    for (const status of ['running', 'failed', 'stopped'] as const) {
      const said = { ...state, recorded: { status, generation: 1 } };
      expect(decide(said)).toEqual(record('pending', generation));
    }
  },
);

type Answer = Partial<Record<Condition, Condition>>;

const unblocked: Answer = { failedUncertain: 'uncertain', failed: 'clean', drainedUncertain: 'uncertain', drained: 'clean' }; // prettier-ignore
const found: Answer = { awaitingAgentUncertain: 'uncertain', awaitingAgent: 'clean' };
const resumed: Answer = { restarting: 'uncertain', stuck: 'uncertain' };
/** Whether something runs is to be found out. */
const unsure: Answer = {
  current: 'uncertain',
  outdated: 'uncertain',
  clean: 'uncertain',
  failed: 'failedUncertain',
  awaitingAgent: 'awaitingAgentUncertain',
  drained: 'drainedUncertain',
};
/** From where something may be left, and from where nothing is. */
const all = (uncertain: Condition, clean: Condition): Answer => ({
  current: uncertain,
  outdated: uncertain,
  uncertain,
  restarting: uncertain,
  stuck: uncertain,
  failedUncertain: uncertain,
  awaitingAgentUncertain: uncertain,
  drainedUncertain: uncertain,
  clean,
  failed: clean,
  awaitingAgent: clean,
  drained: clean,
});

/** Where each event leads from where an agent is to run. What is not named stays as it is. */
const answers: Record<InstanceEvent['type'], readonly [InstanceEvent, Answer][]> = {
  rowChanged: [
    [rowChanged(5, 3), { current: 'outdated', ...unblocked, ...found, ...resumed }],
    [rowChanged(3, 2), {}],
  ],
  rowDeleted: [
    [deletionHeard(5), {}],
    [deletionHeard(3), {}],
  ],
  rowDeletedUnread: [
    [{ ...deletionHeard(5), type: 'rowDeletedUnread' }, all('obsolete', 'clean')],
    [{ ...deletionHeard(3), type: 'rowDeletedUnread' }, {}],
  ],
  rowRead: [
    [rowRead(null), all('obsolete', 'clean')],
    [rowRead({ ...row(3, 2), status: 'pending', observedGeneration: 0 }), {}],
    [
      rowRead({ ...row(3, 1), status: 'pending', observedGeneration: 0 }),
      { current: 'outdated', outdated: 'current', ...unblocked, ...found, ...resumed },
    ],
    [rowRead({ ...row(3, 2), status: 'running', observedGeneration: 2 }), unsure],
  ],
  rowNotRead: [[{ type: 'rowNotRead' }, {}]],
  checkRequested: [[checkRequested, unsure]],
  rowGone: [[rowGone, all('obsolete', 'clean')]],
  runtimeExited: [
    [exit('exited'), { current: 'failedUncertain', outdated: 'uncertain' }],
    [exit('lost'), { current: 'uncertain', outdated: 'uncertain' }],
    [exit('exited', 'other'), {}],
  ],
  retryRequested: [[retry(), { ...unblocked, ...resumed, drainedUncertain: 'drainedUncertain' }]],
  agentPublished: [[published, found]],
  agentDrained: [
    [
      { ...drained, generation },
      { ...all('drainedUncertain', 'drained'), failedUncertain: 'failedUncertain', failed: 'failed' },
    ],
  ],
  provisioningStarted: [
    [
      begun,
      {
        obsolete: 'uncertain',
        current: 'uncertain',
        outdated: 'uncertain',
        clean: 'uncertain',
        failed: 'failedUncertain',
        awaitingAgent: 'awaitingAgentUncertain',
        drained: 'drainedUncertain',
      },
    ],
  ],
  provisioned: [
    [
      provisioned(row(4, 2)),
      {
        outdated: 'current',
        uncertain: 'current',
        clean: 'current',
        failed: 'failedUncertain',
        awaitingAgent: 'awaitingAgentUncertain',
        drained: 'drainedUncertain',
      },
    ],
  ],
  notWanted: [[notWanted(row(5, 3, 'stopped')), { current: 'outdated', ...unblocked, ...found, ...resumed }]],
  agentMissing: [
    [
      agentMissing(row(4, 2)),
      {
        current: 'awaitingAgentUncertain',
        outdated: 'awaitingAgentUncertain',
        uncertain: 'awaitingAgentUncertain',
        clean: 'awaitingAgent',
      },
    ],
  ],
  provisioningFailed: [
    [provisioningFailed(2), all('failedUncertain', 'failed')],
    [provisioningFailed(1), {}],
  ],
  cleanedUp: [
    [
      cleanedUp,
      {
        obsolete: 'clean',
        current: 'clean',
        outdated: 'clean',
        uncertain: 'clean',
        failedUncertain: 'failed',
        awaitingAgentUncertain: 'awaitingAgent',
        drainedUncertain: 'drained',
      },
    ],
  ],
  cleanUpFailed: [[cleanUpFailed, { ...all('stuck', 'stuck'), obsolete: 'stuck' }]],
  pauseOver: [[pauseOver, resumed]],
  statusRecorded: [[recorded('running', row(5, 2)), {}]],
  finalStatusRecorded: [
    [
      { ...finalRecorded, row: row(5, 3) },
      { current: 'outdated', ...unblocked, ...found, ...resumed },
    ],
  ],
};
const heard = Object.entries(answers).flatMap(([type, events]) =>
  events.map(([event, answer], index) => [`${type} (${index + 1})`, event, answer] as const),
);

describe('every event has an answer in every state', () => {
  test.each(heard)('%s', (_type, event, answer) => {
    for (const condition of conditions) {
      const next = evolve(stateIn(condition, 'running'), event, 1_000);
      expect([condition, conditionOf(next)]).toEqual([condition, answer[condition] ?? condition]);
    }
  });

  test.each(heard)('%s, in every cell', (_type, event) => {
    for (const { condition, desiredState } of cells) {
      const state = stateIn(condition, desiredState);
      const before = structuredClone(state);
      const next = evolve(state, event, 1_000);
      expect(state).toEqual(before);
      expect(JSON.parse(JSON.stringify(next))).toStrictEqual(next);
      expect(describeProgress(next, decide(next))).toMatch(/\.$/);
    }
  });
});
