import { describe, expect, test } from 'vitest';
import type { InstanceStatus, ReasonCode } from '../../contracts/names.ts';
import { decide, type Effect } from '../../workflows/decide.ts';
import { describeProgress } from '../../workflows/describe-progress.ts';
import { evolve } from '../../workflows/evolve.ts';
import type { InstanceEvent, InstanceState, Obstacle } from '../../workflows/state.ts';
import {
  conditionOf,
  transitions,
  desiredStateOf,
  type Condition,
  type KnownDesiredState,
} from '../../workflows/transitions.ts';
import {
  agentMissing,
  begun,
  cleanedUp,
  cleanUpFailed,
  checkRequested,
  deletionHeard,
  drained,
  exit,
  finalRecorded,
  from,
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
import { conditions, desiredStates, generation, stateIn } from '../support/instance-states.ts';

/** An agent of a generation that is not desired would be `current` where no generation is desired. */
const cells = conditions
  .flatMap((condition) => desiredStates.map((desiredState) => ({ condition, desiredState })))
  .filter(({ condition, desiredState }) => condition !== 'outdated' || ['running', 'stopped'].includes(desiredState));

const isReachable = ({ condition, desiredState }: (typeof cells)[number]): boolean =>
  condition !== 'restarting' || desiredState === 'unknown' || desiredState === 'running';

interface Story {
  steps: Effect[];
  statuses: [InstanceStatus, ReasonCode | undefined][];
  ending: 'waits' | 'completes';
}

/**
 * Plays on from a state in a world in which every step succeeds and nothing else happens, and holds each step to what it claims of
 * the agent. Where the agent may run, it does.
 */
function playOn(beginning: InstanceState): Story {
  const story: Story = { steps: [], statuses: [], ending: 'waits' };
  const { knownRow } = beginning;
  const { desiredState = 'running' } = knownRow.kind === 'present' ? knownRow : {};
  let agent = beginning.runtime.kind;
  let state = beginning;
  let now = 0;
  let { sequence } = beginning;
  for (;;) {
    const effect = decide(state);
    demand(describeProgress(state, effect).endsWith('.'), 'every step is described by a sentence');
    demand(story.steps.push(effect) <= 8, `a few steps lead to rest, not ${JSON.stringify(story.steps)}`);
    switch (effect.type) {
      case 'provision':
        demand(agent !== 'obsolete', 'the agent of a deleted row is never taken over');
        agent = 'running';
        state = from(state, begun, now, provisioned(row(sequence, effect.generation)));
        break;
      case 'cleanUp':
        demand(agent !== 'none', 'a clean-up has something to remove');
        agent = 'none';
        state = from(state, cleanedUp);
        break;
      case 'recordStatus': {
        const { status, reason } = effect;
        const { runtime } = state;
        const runs = runtime.kind === 'running' && runtime.generation === generation;
        demand(status !== 'running' || runs, 'the desired generation runs when the row says so');
        const claimsNone = status === 'stopped' || (status === 'failed' && reason?.code !== 'cleanup_failed');
        demand(!claimsNone || agent === 'none', 'no agent runs when the row says so');
        story.statuses.push([status, reason?.code]);
        state = from(state, recorded(status, row((sequence += 1), effect.generation, desiredState), reason));
        break;
      }
      case 'recordFinalStatus':
        demand(agent === 'none', 'no agent runs when the end is recorded');
        story.statuses.push(['stopped', undefined]);
        state = from(state, finalRecorded);
        break;
      case 'wait':
        if (effect.until === undefined) return story;
        demand(effect.until > now, 'a pause ends later');
        now = effect.until;
        state = from(state, pauseOver);
        break;
      case 'complete':
        demand(agent === 'none', 'no agent runs when the workflow ends');
        return { ...story, ending: 'completes' };
      case 'readRow':
        throw new Error('nothing is in doubt');
    }
  }
}

function demand(holds: boolean, rule: string): void {
  if (!holds) throw new Error(`broken rule: ${rule}`);
}

/** The statuses that an obstacle makes the row hold while the desired state is `running`. */
const blockedStatuses: Record<Obstacle['kind'], Story['statuses']> = {
  failed: [['failed', 'agent_exited']],
  awaitingAgent: [['pending', 'agent_unknown']],
  drained: [['stopped', 'agent_retired']],
  restarting: [['pending', 'restarting'], ['running', undefined]], // prettier-ignore
  stuck: [['failed', 'cleanup_failed'], ['pending', undefined], ['running', undefined]], // prettier-ignore
};

/** What has to happen, by the README's account of the life of an instance. */
function expectedStory({ obstacle, runtime }: InstanceState, desiredState: KnownDesiredState): object {
  const pauses = obstacle?.kind === 'stuck' || obstacle?.kind === 'restarting';
  const isLasting = obstacle?.kind === 'failed' || obstacle?.kind === 'awaitingAgent' || obstacle?.kind === 'drained';
  const mayRun = runtime.kind !== 'none';
  const provisions = desiredState === 'running' && !isLasting && !(runtime.kind === 'running' && runtime.generation === generation); // prettier-ignore
  const cleansUp = mayRun && desiredState !== 'unknown' && (desiredState !== 'running' || isLasting || runtime.kind === 'obsolete'); // prettier-ignore
  const steps = { provision: Number(provisions), cleanUp: Number(cleansUp) };
  const stuck: Story['statuses'] = obstacle?.kind === 'stuck' ? [['failed', 'cleanup_failed']] : [];
  switch (desiredState) {
    case 'unknown':
      return { steps, statuses: [], ending: 'waits', pauses };
    case 'gone':
      return { steps, statuses: [['stopped', undefined]], ending: 'completes', pauses };
    case 'stopped': {
      const stopped: Story['statuses'] = [['stopped', obstacle?.kind === 'drained' ? 'agent_retired' : undefined]];
      return { steps, statuses: [...stuck, ...stopped], ending: 'waits', pauses };
    }
    case 'running':
      return { steps, statuses: obstacle ? blockedStatuses[obstacle.kind] : [['running', undefined]], ending: 'waits', pauses }; // prettier-ignore
  }
}

/** A pause belongs before the step that it delays: nothing but a status is recorded before it. */
function summaryOf({ steps, statuses, ending }: Story): object {
  const types = steps.map(({ type }) => type);
  const pause = steps.findIndex((step) => step.type === 'wait' && step.until !== undefined);
  demand(
    types.slice(0, Math.max(pause, 0)).every((type) => type === 'recordStatus'),
    'only a status precedes a pause',
  );
  const countOf = (sought: Effect['type']) => types.filter((type) => type === sought).length;
  return {
    steps: { provision: countOf('provision'), cleanUp: countOf('cleanUp') },
    statuses,
    ending,
    pauses: pause >= 0,
  };
}

describe('the table of transitions', () => {
  test('is whole', () => {
    expect(Object.keys(transitions)).toEqual(conditions);
    for (const steps of Object.values(transitions)) expect(Object.keys(steps)).toEqual(desiredStates);
  });

  test('waits for the first event of the row', () => {
    for (const steps of Object.values(transitions)) expect(steps.unknown).toBe('wait');
  });

  test.each(cells.filter(isReachable))(
    'leads from $condition to the desired state $desiredState',
    ({ condition, desiredState }) => {
      const state = stateIn(condition, desiredState);
      expect([conditionOf(state), desiredStateOf(state)]).toEqual([condition, desiredState]);
      expect(summaryOf(playOn(state))).toEqual(expectedStory(state, desiredState));
    },
  );

  // A new generation clears the pause of a restart, so no order of events leads here, and only the first step has a meaning.
  test.each(['stopped', 'gone'] as const)('cleans up first when a restart is due and the row is %s', (desiredState) => {
    const state = stateIn('restarting', desiredState);
    expect([conditionOf(state), desiredStateOf(state)]).toEqual(['restarting', desiredState]);
    expect(decide(state)).toEqual({ type: 'cleanUp' });
  });
});

test.each(conditions.filter((condition) => transitions[condition].running === 'provision'))(
  'a row that shows an earlier status is pending before %s is provisioned',
  (condition) => {
    const state = stateIn(condition, 'running');
    for (const status of ['running', 'failed', 'stopped'] as const) {
      expect(decide({ ...state, recorded: { status, generation: 1 } })).toEqual(record('pending', generation));
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
  hostLost: [[{ type: 'hostLost', hostId: 'first', message: 'It is lost.' }, {}]],
  hostBack: [[{ type: 'hostBack', hostId: 'first' }, {}]],
  hostReplaceable: [[{ type: 'hostReplaceable', hostId: 'first' }, {}]],
  moveRequested: [[{ type: 'moveRequested', hostId: 'first', message: 'It is drained.' }, {}]],
  agentFound: [[{ type: 'agentFound', hostId: 'first' }, {}]],
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
