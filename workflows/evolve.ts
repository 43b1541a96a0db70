import type { StatusReason } from '../contracts/names.ts';
import { contradicted, doubted, placementDoubted, settled } from './doubts.ts';
import type { RowReading, RowState, RuntimeExited } from './messages.ts';
import { cleanedUp, heardOfHost, located, placed, stepEnded, unplaced, unsureWhileLost } from './placement.ts';
import { afterExit } from './restart-policy.ts';
import { initialState, type InstanceEvent, type InstanceState, type Obstacle } from './state.ts';

type Of<Type extends InstanceEvent['type']> = Extract<InstanceEvent, { type: Type }>;

const earlyExitsKept = 8;

/** The pause between a clean-up that did not succeed and the next try. */
const cleanUpPauseMs = 10 * 60_000;

/** The pause after a host was looked for in vain. It doubles up to the longest one. */
const placingPauseMs = 1_000;
const longestPlacingPauseMs = 30_000;

/**
 * Folds one event, which came at `now` (milliseconds), into the state. Sequences order the events of a row. But a restored row
 * has earlier sequences, and an event may be false. So the row is read where an event does not fit, and the reading overrules
 * everything that was heard.
 */
export function evolve(state: InstanceState, event: InstanceEvent, now: number): InstanceState {
  switch (event.type) {
    case 'rowChanged':
      // The event is late, a repeat, or of a row that was restored to an earlier version, which the sweeper finds. To read the row
      // for each repeat would keep workflow tasks open while signals come, and Temporal fails such tasks.
      if (event.sequence <= state.sequence) return state;
      return { ...observe(state, event), doubt: state.doubt ?? 'heard', cause: event.cause };
    case 'rowDeleted':
      return { ...contradicted(state), ...(event.sequence > state.sequence && { cause: event.cause }) };
    case 'rowGone':
      return unsureWhileLost(gone(state, state.sequence));
    case 'checkRequested': {
      const checked = contradicted(doubted(state));
      return state.lostHost ? placementDoubted(checked) : checked;
    }
    case 'rowRead':
      return overruled(state, event.row);
    case 'runtimeExited':
      return exited(state, event, now);
    case 'retryRequested': {
      if (event.requestId === state.lastRetryRequest) return state;
      const { placingTries: _, ...tried } = without(unhidden(state), 'failed', 'restarting', 'unplaced');
      return {
        // A drain is finished first, because the agent that ends may have been started before the retirement.
        ...(state.runtime.kind === 'none' ? without(tried, 'drained') : tried),
        lastRetryRequest: event.requestId,
        restarts: { count: 0 },
      };
    }
    case 'agentPublished':
      return { ...without(state, 'awaitingAgent'), publishedMeanwhile: true };
    case 'agentDrained':
      // A failed instance has no agent to drain.
      if (state.obstacle?.kind === 'failed') return state;
      return blocked(state, {
        kind: 'drained',
        generation: event.generation,
        reason: { code: 'agent_retired', message: event.message },
      });
    case 'hostLost':
    case 'hostBack':
    case 'hostReplaceable':
    case 'moveRequested':
    case 'agentFound':
      return heardOfHost(state, event);
    case 'placingStarted':
      return { ...stepEnded(state), runtime: { kind: 'unknown' }, publishedMeanwhile: false };
    case 'placed':
      return placed(state, event);
    case 'noHost':
      return notPlaced(state, event, now);
    case 'located':
      return located(state, event);
    case 'provisioningStarted': {
      const { leaving: _, ...rest } = state;
      return { ...rest, runtime: { kind: 'unknown' }, publishedMeanwhile: false };
    }
    case 'provisioned':
      return provisioned(stepEnded(state), event, now);
    case 'notWanted':
      return observe(stepEnded(state), event.row);
    case 'agentMissing': {
      const observed = observe(stepEnded(state), event.row);
      if (state.publishedMeanwhile || observed.obstacle) return observed;
      const reason = { code: 'agent_unknown', message: event.message } as const;
      return blocked(observed, { kind: 'awaitingAgent', generation: event.row.generation, reason });
    }
    case 'provisioningFailed':
      return blocked(stepEnded(state), { kind: 'failed', generation: event.generation, reason: event.reason });
    case 'cleanUpStarted':
      return event.hostId === state.hostId ? { ...state, leaving: true } : state;
    case 'cleanedUp':
      return cleanedUp(state, event.hostId);
    case 'stepEnded':
      return stepEnded(state);
    case 'cleanUpFailed': {
      const { obstacle: known, runtime } = state;
      const hides = known?.kind === 'failed' || known?.kind === 'drained' ? known : undefined;
      const reason = { code: 'cleanup_failed', message: event.message } as const;
      const generation = hides?.generation ?? desiredGeneration(state);
      const dueAt = now + cleanUpPauseMs;
      // The clean-up may have removed a part.
      const isElsewhere = event.hostId !== state.hostId;
      return {
        ...stepEnded(state),
        runtime: runtime.kind === 'obsolete' || isElsewhere ? runtime : { kind: 'unknown' },
        obstacle: { kind: 'stuck', generation, reason, dueAt, ...(hides && { hides }) },
      };
    }
    case 'pauseOver':
      return without(unhidden(state), 'restarting', 'unplaced');
    case 'statusRecorded': {
      const { status, generation, reason, row } = event;
      return observe({ ...state, recorded: { status, generation, ...(reason && { reason }) } }, row);
    }
    case 'statusSuperseded':
      // The workflow does not know the status that the row holds, which a worker wrote whose step another one has taken over.
      return contradicted(state);
    case 'finalStatusRecorded':
      if (event.row) return observe(state, event.row);
      return { ...state, knownRow: { kind: 'gone', finalStatusRecorded: true } };
  }
}

function observe(state: InstanceState, row: RowReading): InstanceState {
  if (row.sequence < state.sequence || contradictsKnownRow(state, row)) return contradicted(state);
  const { sequence, generation, desiredState } = row;
  const observed: InstanceState = { ...state, sequence, knownRow: { kind: 'present', generation, desiredState } };
  if (observed.doubt === 'heard') delete observed.doubt;
  if (generation > desiredGeneration(state)) {
    observed.restarts = initialState.restarts;
    delete observed.placingTries;
  }
  if (!state.obstacle || state.obstacle.generation >= generation) return observed;
  const { obstacle: _, ...unblocked } = observed;
  return unblocked;
}

/** A generation has one desired state. After a backup was restored, the row may give the same generation to another one. */
function contradictsKnownRow({ knownRow }: InstanceState, { generation, desiredState }: RowReading): boolean {
  return knownRow.kind === 'present' && knownRow.generation === generation && knownRow.desiredState !== desiredState;
}

/** The current row is the truth, even with an earlier sequence or generation: a restored backup has such a row. */
function overruled(state: InstanceState, row: RowState | null): InstanceState {
  if (!row) return settled(gone(state, state.sequence));
  const { sequence, generation, desiredState, status, observedGeneration, reason } = row;
  const { recorded } = state;
  // If the row does not hold the status that was last written, it may be another row than the agent was started for.
  const isKnown = recorded.status === status && recorded.generation === observedGeneration;
  const { obstacle, doubt: _, ...rest } = isKnown ? state : doubted(state);
  return {
    ...rest,
    ranGeneration: state.ranGeneration > generation ? 0 : state.ranGeneration,
    sequence,
    knownRow: { kind: 'present', generation, desiredState },
    recorded: { status, generation: observedGeneration, ...(reason && { reason }) },
    ...(desiredGeneration(state) !== generation && { restarts: initialState.restarts }),
    ...(obstacle && !contradictsKnownRow(state, row) && holdsFor(obstacle, row) && { obstacle }),
  };
}

/** What the workflow knows of the deleted row does not hold for a later row of the same id. */
function gone(state: InstanceState, sequence: number): InstanceState {
  const { obstacle: _, placingTries: __, runtime, ...rest } = stepEnded(state);
  return {
    ...rest,
    sequence,
    knownRow: { kind: 'gone', finalStatusRecorded: false },
    runtime: runtime.kind === 'none' ? runtime : { kind: 'obsolete' },
    recorded: initialState.recorded,
    restarts: initialState.restarts,
    ranGeneration: 0,
  };
}

function provisioned(state: InstanceState, event: Of<'provisioned'>, now: number): InstanceState {
  const { runtimeId, restart, row, hostId } = event;
  // The row was deleted meanwhile, and another one may have come. The agent may belong to either, so it stays obsolete.
  if (state.runtime.kind === 'obsolete') return observe(state, row);
  // The instance left the host meanwhile, which ends the agent.
  if (hostId !== state.hostId) return observe(state, row);
  const { generation } = row;
  const running = { kind: 'running', generation, runtimeId, since: now, restart } as const;
  const observed = observe({ ...state, runtime: running }, row);
  // A generation that was drained meanwhile may not go on.
  const begun = observed.obstacle ? observed : { ...observed, ranGeneration: generation };
  return state.earlyExits.reduce<InstanceState>((before, exit) => exited(before, exit, now), {
    ...begun,
    earlyExits: [],
  });
}

function notPlaced(state: InstanceState, { row, message }: Of<'noHost'>, now: number): InstanceState {
  const observed = observe(unplaced(state), row);
  if (observed.obstacle) return observed;
  const { placingTries = 0 } = observed;
  const dueAt = now + Math.min(placingPauseMs * 2 ** placingTries, longestPlacingPauseMs);
  const reason = { code: 'no_host', message } as const;
  return blocked(
    { ...observed, placingTries: placingTries + 1 },
    { kind: 'unplaced', generation: row.generation, reason, dueAt },
  );
}

function exited(state: InstanceState, event: RuntimeExited, now: number): InstanceState {
  const { runtime, restarts, earlyExits, obstacle } = state;
  if (runtime.kind === 'unknown') {
    const known = earlyExits.some(({ runtimeId }) => runtimeId === event.runtimeId);
    return known ? state : { ...state, earlyExits: [...earlyExits, event].slice(-earlyExitsKept) };
  }
  if (runtime.kind !== 'running' || runtime.runtimeId !== event.runtimeId) return state;
  const { generation, since, restart } = runtime;
  const down: InstanceState = { ...state, runtime: { kind: 'unknown' } };
  // The policy is not asked about a lost agent, nor about one that was to end anyway.
  if (event.kind === 'lost' || obstacle || generation !== desiredGeneration(state) || isStopDesired(state)) return down;

  const { failed, message } = event;
  const after = afterExit(restart, { failed, message, ranForMs: now - since, restarts: restarts.count });
  switch (after.next) {
    case 'giveUp':
      return blocked(down, { kind: 'failed', generation, reason: { code: 'agent_exited', message: after.message } });
    case 'restart': {
      const reason: StatusReason = { code: 'restarting', message: after.message };
      return blocked(
        { ...down, restarts: { count: after.restarts } },
        { kind: 'restarting', generation, reason, dueAt: now + after.pauseMs },
      );
    }
  }
}

/**
 * Adds an obstacle, unless it is one of another generation than the desired one: of an earlier generation, or of a later one that ran
 * before a backup of the row was restored. A drain may name a later generation that the workflow does not know yet.
 */
function blocked(state: InstanceState, obstacle: Obstacle): InstanceState {
  const { knownRow } = state;
  if (knownRow.kind !== 'present' || knownRow.generation > obstacle.generation) return state;
  if (knownRow.generation < obstacle.generation && obstacle.kind !== 'drained') return state;
  if (isStopDesired(state) && knownRow.generation === obstacle.generation) return state;
  // A generation that failed or was drained may not go on after its agent was retired.
  const ranGeneration = obstacle.kind === 'failed' || obstacle.kind === 'drained' ? 0 : state.ranGeneration;
  return { ...state, obstacle, ranGeneration };
}

function without(state: InstanceState, ...kinds: Obstacle['kind'][]): InstanceState {
  if (!state.obstacle || !kinds.includes(state.obstacle.kind)) return state;
  const { obstacle: _, ...rest } = state;
  return rest;
}

/** Ends the pause after a clean-up that did not succeed. The obstacle behind it holds again. */
function unhidden(state: InstanceState): InstanceState {
  const { obstacle, ...rest } = state;
  if (obstacle?.kind !== 'stuck') return state;
  return obstacle.hides ? { ...rest, obstacle: obstacle.hides } : rest;
}

/** An instance whose desired state is `stopped` can only be held up by a clean-up that did not succeed, or by a drain. */
function holdsFor({ kind, generation }: Obstacle, row: RowReading): boolean {
  return generation === row.generation && (row.desiredState === 'running' || kind === 'stuck' || kind === 'drained');
}

function isStopDesired({ knownRow }: InstanceState): boolean {
  return knownRow.kind === 'present' && knownRow.desiredState === 'stopped';
}

function desiredGeneration({ knownRow }: InstanceState): number {
  return knownRow.kind === 'present' ? knownRow.generation : 0;
}
