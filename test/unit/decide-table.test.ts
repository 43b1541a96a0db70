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
  agentFound,
  cleanedUpOn,
  cleanUpBegun,
  foundLost,
  hostBack,
  hostLost,
  hostReplaceable,
  locatedOn,
  moveRequested,
  noHost,
  nowhere,
  placed,
  placing,
  provisioningStarted,
  stepOf,
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
import { conditions, desiredStates, elsewhere, generation, here, stateIn } from '../support/instance-states.ts';

/** The desired states without which another condition holds: an agent of no desired generation is `current`, for example. */
const neededFor: Partial<Record<Condition, readonly KnownDesiredState[]>> = {
  outdated: ['running', 'stopped'],
  moving: ['running'],
};
const cells = conditions
  .flatMap((condition) => desiredStates.map((desiredState) => ({ condition, desiredState })))
  .filter(({ condition, desiredState }) => neededFor[condition]?.includes(desiredState) ?? true);

const paused: readonly Condition[] = ['restarting', 'unplaced'];
const isReachable = ({ condition, desiredState }: (typeof cells)[number]): boolean =>
  !paused.includes(condition) || desiredState === 'unknown' || desiredState === 'running';

interface Story {
  steps: Effect[];
  statuses: [InstanceStatus, ReasonCode | undefined][];
  ending: 'waits' | 'completes';
}

/**
 * Plays on from a state in a world in which every step succeeds and nothing else happens, and holds each step to what it claims of
 * the agent. Where the agent may run, it does; so it does on hosts that may hold one.
 */
function playOn(beginning: InstanceState): Story {
  const story: Story = { steps: [], statuses: [], ending: 'waits' };
  const { knownRow } = beginning;
  const { desiredState = 'running' } = knownRow.kind === 'present' ? knownRow : {};
  let agent = beginning.runtime.kind;
  let placement = beginning.hostId;
  const strays = new Set(beginning.strayHosts);
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
        demand(effect.hostId === placement, 'the agent is started where the instance is placed');
        demand(strays.size === 0, 'nothing is started while another host may hold an agent');
        agent = 'running';
        state = from(state, provisioningStarted, now, provisioned(row(sequence, effect.generation)));
        break;
      case 'place':
        placement ??= here;
        state = from(state, placing, placed(placement));
        break;
      case 'locate':
        state = from(state, placement === undefined ? nowhere : locatedOn(placement));
        break;
      case 'cleanUp': {
        const { hostId } = effect;
        if (hostId === placement) {
          demand(agent !== 'none', 'a clean-up has something to remove');
          demand(strays.size === 0, 'other hosts are cleaned up before');
          agent = 'none';
          placement = undefined;
        } else {
          demand(strays.delete(hostId), 'a clean-up has something to remove');
        }
        state = from(state, cleanUpBegun(hostId), cleanedUpOn(hostId));
        break;
      }
      case 'recordStatus': {
        const { status, reason } = effect;
        const { runtime } = state;
        const runs = runtime.kind === 'running' && runtime.generation === generation;
        demand(status !== 'running' || runs, 'the desired generation runs when the row says so');
        const claimsNone = status === 'stopped' || (status === 'failed' && reason?.code !== 'cleanup_failed');
        demand(!claimsNone || (agent === 'none' && strays.size === 0), 'no agent runs when the row says so');
        story.statuses.push([status, reason?.code]);
        state = from(state, recorded(status, row((sequence += 1), effect.generation, desiredState), reason));
        break;
      }
      case 'recordFinalStatus':
        demand(agent === 'none' && strays.size === 0, 'no agent runs when the end is recorded');
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
        demand(agent === 'none' && strays.size === 0, 'no agent runs when the workflow ends');
        demand(placement === undefined, 'the instance is placed nowhere when the workflow ends');
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
  unplaced: [['pending', 'no_host'], ['running', undefined]], // prettier-ignore
  restarting: [['pending', 'restarting'], ['running', undefined]], // prettier-ignore
  stuck: [['failed', 'cleanup_failed'], ['pending', undefined], ['running', undefined]], // prettier-ignore
};

/** What has to happen, by the README's account of the life of an instance. */
function expectedStory(state: InstanceState, desiredState: KnownDesiredState): object {
  const { obstacle, runtime, strayHosts = [], lostHost, moving } = state;
  const pauses = obstacle !== undefined && 'dueAt' in obstacle;
  if (lostHost) {
    const statuses = desiredState === 'running' || desiredState === 'stopped' ? [['pending', 'host_lost']] : [];
    return { steps: { provision: 0, cleanUp: 0 }, statuses, ending: 'waits', pauses };
  }
  const isLasting = obstacle?.kind === 'failed' || obstacle?.kind === 'awaitingAgent' || obstacle?.kind === 'drained';
  const mayRun = runtime.kind !== 'none';
  const moves = moving !== undefined && desiredState === 'running';
  const provisions = moves || desiredState === 'running' && !isLasting && !(runtime.kind === 'running' && runtime.generation === generation); // prettier-ignore
  const cleansUp = mayRun && desiredState !== 'unknown' && (desiredState !== 'running' || isLasting || moves || runtime.kind === 'obsolete'); // prettier-ignore
  const strays = desiredState === 'unknown' ? 0 : strayHosts.length;
  const steps = { provision: Number(provisions), cleanUp: Number(cleansUp) + strays };
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
      if (moves) return { steps, statuses: [['pending', 'moving'], ['running', undefined]], ending: 'waits', pauses };
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

  // A new generation clears the pause, so no order of events leads here, and only the first step has a meaning.
  test.each(
    paused.flatMap((condition) => (['stopped', 'gone'] as const).map((desiredState) => ({ condition, desiredState }))),
  )('cleans up first when it is $condition and the row is $desiredState', ({ condition, desiredState }) => {
    const state = stateIn(condition, desiredState);
    expect([conditionOf(state), desiredStateOf(state)]).toEqual([condition, desiredState]);
    expect(stepOf(state)).toEqual({ type: 'cleanUp', hostId: here });
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
const resumed: Answer = { unplaced: 'clean', restarting: 'uncertain', stuck: 'uncertain' };
/** Whether something runs is to be found out. */
const unsure: Answer = {
  current: 'uncertain',
  outdated: 'uncertain',
  clean: 'uncertain',
  failed: 'failedUncertain',
  awaitingAgent: 'awaitingAgentUncertain',
  drained: 'drainedUncertain',
};
/** Where nothing ran, the placement says that something may. */
const mayRunNow: Answer = { clean: 'uncertain', failed: 'failedUncertain', awaitingAgent: 'awaitingAgentUncertain', drained: 'drainedUncertain' }; // prettier-ignore
const begins: Answer = { ...mayRunNow, obsolete: 'uncertain', current: 'uncertain', outdated: 'uncertain' };
const unsureOfRunning: Answer = { hostLost: 'uncertain', astray: 'uncertain', current: 'uncertain', outdated: 'uncertain', moving: 'uncertain' }; // prettier-ignore
/** The placement names another host than the one that was known, or none, and nobody has left it on purpose. */
const leftBehind: Answer = {
  obsolete: 'astray',
  current: 'astray',
  outdated: 'astray',
  uncertain: 'astray',
  failedUncertain: 'astray',
  awaitingAgentUncertain: 'astray',
  moving: 'astray',
  restarting: 'astray',
  drainedUncertain: 'astray',
};
/** A host that may be replaced was left. */
const vanished: Answer = {
  obsolete: 'clean',
  current: 'clean',
  outdated: 'clean',
  uncertain: 'clean',
  failedUncertain: 'failed',
  awaitingAgentUncertain: 'awaitingAgent',
  moving: 'clean',
  drainedUncertain: 'drained',
};
const foundWhereNothingWas: Answer = { clean: 'astray', failed: 'astray', awaitingAgent: 'astray', unplaced: 'astray', drained: 'astray' }; // prettier-ignore
const lost: Answer = Object.fromEntries(conditions.map((condition) => [condition, 'hostLost']));
/** From where something may be left, and from where nothing is. */
const all = (uncertain: Condition, clean: Condition): Answer => ({
  current: uncertain,
  outdated: uncertain,
  uncertain,
  moving: uncertain,
  restarting: uncertain,
  stuck: uncertain,
  failedUncertain: uncertain,
  awaitingAgentUncertain: uncertain,
  drainedUncertain: uncertain,
  unplaced: clean,
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
  rowRead: [
    [rowRead(null), all('obsolete', 'clean')],
    [rowRead({ ...row(3, 2), status: 'pending', observedGeneration: 0 }), {}],
    [
      rowRead({ ...row(3, 1), status: 'pending', observedGeneration: 0 }),
      { current: 'outdated', outdated: 'current', ...unblocked, ...found, ...resumed },
    ],
    [rowRead({ ...row(3, 2), status: 'running', observedGeneration: 2 }), unsure],
  ],
  checkRequested: [[checkRequested, unsure]],
  rowGone: [[rowGone, all('obsolete', 'clean')]],
  runtimeExited: [
    [exit('exited'), { current: 'failedUncertain', outdated: 'uncertain', moving: 'failedUncertain' }],
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
  hostLost: [[hostLost(here), {}]],
  hostBack: [[hostBack(here), {}]],
  hostReplaceable: [
    [hostReplaceable(here), {}],
    [hostReplaceable(elsewhere), { astray: 'current' }],
  ],
  moveRequested: [
    [moveRequested(here), { current: 'moving', outdated: 'moving', uncertain: 'moving', restarting: 'moving' }],
    [moveRequested(elsewhere), {}],
  ],
  agentFound: [
    [agentFound(elsewhere), { ...all('astray', 'astray'), obsolete: 'astray', stuck: 'stuck' }],
    [agentFound(here), foundWhereNothingWas],
  ],
  placingStarted: [[placing, begins]],
  placed: [
    [placed(here), { hostLost: 'current', ...mayRunNow }],
    [placed(elsewhere), { hostLost: 'uncertain', ...mayRunNow, ...leftBehind }],
    [placed(elsewhere, here), { ...unsureOfRunning, ...mayRunNow }],
  ],
  noHost: [[noHost(row(4, 2)), { hostLost: 'unplaced', clean: 'unplaced', ...leftBehind }]],
  located: [
    [nowhere, { hostLost: 'clean', ...leftBehind }],
    [
      { type: 'located', outcome: 'none', leftHostId: here },
      { hostLost: 'clean', ...vanished },
    ],
    [locatedOn(here), { hostLost: 'uncertain', ...mayRunNow }],
    [locatedOn(elsewhere), { hostLost: 'uncertain', ...mayRunNow, ...leftBehind }],
    [foundLost(here), lost],
    [foundLost(elsewhere), lost],
  ],
  cleanUpStarted: [[cleanUpBegun(here), {}]],
  stepEnded: [[{ type: 'stepEnded' }, {}]],
  provisioningStarted: [
    [
      provisioningStarted,
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
      },
    ],
  ],
  notWanted: [
    [notWanted(row(5, 3, 'stopped')), { current: 'outdated', moving: 'outdated', ...unblocked, ...found, ...resumed }],
  ],
  agentMissing: [
    [
      agentMissing(row(4, 2)),
      {
        current: 'awaitingAgentUncertain',
        outdated: 'awaitingAgentUncertain',
        uncertain: 'awaitingAgentUncertain',
        clean: 'awaitingAgent',
        moving: 'awaitingAgentUncertain',
      },
    ],
  ],
  provisioningFailed: [
    [provisioningFailed(2), all('failedUncertain', 'failed')],
    [provisioningFailed(1), {}],
  ],
  cleanedUp: [
    [
      cleanedUpOn(here),
      {
        obsolete: 'clean',
        current: 'clean',
        outdated: 'clean',
        uncertain: 'clean',
        hostLost: 'clean',
        moving: 'clean',
        failedUncertain: 'failed',
        awaitingAgentUncertain: 'awaitingAgent',
        drainedUncertain: 'drained',
      },
    ],
  ],
  cleanUpFailed: [[cleanUpFailed, { ...all('stuck', 'stuck'), obsolete: 'stuck', astray: 'stuck' }]],
  pauseOver: [[pauseOver, resumed]],
  statusRecorded: [[recorded('running', row(5, 2)), {}]],
  statusSuperseded: [[{ type: 'statusSuperseded' }, {}]],
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
