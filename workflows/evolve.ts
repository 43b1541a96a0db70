import type { StatusReason } from '../contracts/names.ts';
import type { RowReading, RuntimeExited } from './messages.ts';
import { initialState, type InstanceEvent, type InstanceState, type Obstacle } from './state.ts';

const earlyExitsKept = 8;

/** Between the end of one deadline of a clean-up and the next try. */
const cleanUpPauseMs = 10 * 60_000;

/** Folds one event, which came at `now` (milliseconds), into the state. Stale and repeated events leave it as it is. */
export function evolve(state: InstanceState, event: InstanceEvent, now: number): InstanceState {
  switch (event.type) {
    case 'rowChanged': {
      const known = event.created ? inserted(state, event.sequence) : state;
      return event.sequence > known.sequence ? { ...observe(known, event), cause: event.cause } : known;
    }
    case 'rowDeleted':
      return event.sequence > state.sequence ? { ...gone(state, event.sequence), cause: event.cause } : state;
    case 'rowGone':
      return gone(state, state.sequence);
    case 'runtimeExited':
      return exited(state, event, now);
    case 'retryRequested': {
      if (event.requestId === state.lastRetryRequest) return state;
      // What is being drained ends first: it may have been begun before the retirement.
      const ended = state.runtime.kind === 'none' ? without(state, 'drained') : state;
      return {
        ...without(ended, 'failed', 'restarting', 'stuck'),
        lastRetryRequest: event.requestId,
        restarts: { count: 0 },
      };
    }
    case 'agentPublished':
      return { ...without(state, 'awaitingAgent'), publishedMeanwhile: true };
    case 'agentDrained':
      return blocked(state, {
        kind: 'drained',
        generation: event.generation ?? wantedGeneration(state),
        reason: { code: 'agent_retired', message: event.message },
      });
    case 'provisioningStarted':
      return { ...state, runtime: { kind: 'unknown' }, publishedMeanwhile: false };
    case 'provisioned': {
      const { runtimeId, restart, row } = event;
      const { generation } = row;
      const running = { kind: 'running', generation, runtimeId, since: now, restart } as const;
      // Meanwhile another row came in the place of this one: what was taken over or started may be the earlier one's.
      const replaced = state.wanted.kind === 'present' || row.sequence > state.sequence;
      if (state.runtime.kind === 'obsolete' && replaced) return observe(state, row);
      const observed = observe({ ...state, runtime: running }, row);
      // What was drained meanwhile has no right to go on.
      const provisioned = observed.obstacle ? observed : { ...observed, ranGeneration: generation };
      return state.earlyExits.reduce<InstanceState>((before, exit) => exited(before, exit, now), {
        ...provisioned,
        earlyExits: [],
      });
    }
    case 'notWanted':
      return observe(state, event.row);
    case 'agentMissing': {
      const observed = observe(state, event.row);
      if (state.publishedMeanwhile || observed.obstacle) return observed;
      const reason = { code: 'agent_unknown', message: event.message } as const;
      return blocked(observed, { kind: 'awaitingAgent', generation: event.row.generation, reason });
    }
    case 'provisioningFailed':
      return blocked(state, { kind: 'failed', generation: event.generation, reason: event.reason });
    case 'cleanedUp':
      return { ...state, runtime: { kind: 'none' }, earlyExits: [] };
    case 'cleanUpFailed': {
      const { obstacle: known } = state;
      const hides = known?.kind === 'failed' || known?.kind === 'drained' ? known : undefined;
      const reason = { code: 'cleanup_failed', message: event.message } as const;
      const generation = hides?.generation ?? wantedGeneration(state);
      const dueAt = now + cleanUpPauseMs;
      return { ...state, obstacle: { kind: 'stuck', generation, reason, dueAt, ...(hides && { hides }) } };
    }
    case 'pauseOver': {
      const { obstacle } = state;
      const hidden = obstacle?.kind === 'stuck' ? obstacle.hides : undefined;
      return hidden ? { ...state, obstacle: hidden } : without(state, 'restarting', 'stuck');
    }
    case 'statusRecorded': {
      const { status, generation, reason, row } = event;
      return observe({ ...state, recorded: { status, generation, ...(reason && { reason }) } }, row);
    }
    case 'finalStatusRecorded':
      if (event.row) return observe(state, event.row);
      return { ...state, wanted: { kind: 'gone', finalStatusRecorded: true } };
  }
}

function observe(state: InstanceState, row: RowReading): InstanceState {
  if (row.sequence < state.sequence) return state;
  const { sequence, generation, desiredState } = row;
  const insertedBy = state.wanted.kind === 'present' ? state.insertedBy : sequence;
  const observed: InstanceState = {
    ...state,
    sequence,
    insertedBy,
    wanted: { kind: 'present', generation, desiredState },
  };
  if (generation > wantedGeneration(state)) observed.restarts = initialState.restarts;
  if (!state.obstacle || state.obstacle.generation >= generation) return observed;
  const { obstacle: _, ...unblocked } = observed;
  return unblocked;
}

/** A row came in the place of the known one, whose end is late or was overlooked because the new one was read first. */
function inserted(state: InstanceState, sequence: number): InstanceState {
  if (state.wanted.kind !== 'present' || sequence <= state.insertedBy) return state;
  return { ...ofAnotherRow(state), insertedBy: sequence };
}

function gone(state: InstanceState, sequence: number): InstanceState {
  return { ...ofAnotherRow(state), sequence, wanted: { kind: 'gone', finalStatusRecorded: false } };
}

/** Nothing that is known of an instance holds for another row of its id. */
function ofAnotherRow(state: InstanceState): InstanceState {
  const { obstacle: _, runtime, ...rest } = state;
  return {
    ...rest,
    runtime: runtime.kind === 'none' ? runtime : { kind: 'obsolete' },
    recorded: initialState.recorded,
    restarts: initialState.restarts,
    ranGeneration: 0,
  };
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
  // What was to end anyway decides nothing.
  if (event.kind === 'lost' || obstacle || generation < wantedGeneration(state)) return down;

  const mayRestart = restart.policy === 'always' || (restart.policy === 'on_failure' && event.failed);
  const count = now - since >= restart.resetAfterMs ? 0 : restarts.count;
  if (!mayRestart || count >= restart.maxRestarts) {
    const gaveUp = mayRestart ? ` It was restarted ${count} times in a row.` : '';
    const reason: StatusReason = { code: 'agent_exited', message: `${event.message}${gaveUp}` };
    return blocked(down, { kind: 'failed', generation, reason });
  }
  const pauseMs = Math.min(restart.backoffMs * 2 ** count, restart.maxBackoffMs);
  const message = `${event.message} Restart ${count + 1} of ${restart.maxRestarts} after ${pauseMs / 1000} s.`;
  const reason: StatusReason = { code: 'restarting', message };
  return blocked(
    { ...down, restarts: { count: count + 1 } },
    { kind: 'restarting', generation, reason, dueAt: now + pauseMs },
  );
}

/** An obstacle of a generation that is no longer wanted says nothing about the one that is. */
function blocked(state: InstanceState, obstacle: Obstacle): InstanceState {
  if (state.wanted.kind !== 'present' || state.wanted.generation > obstacle.generation) return state;
  // What stopped running has no right to go on.
  const ranGeneration = obstacle.kind === 'failed' || obstacle.kind === 'drained' ? 0 : state.ranGeneration;
  return { ...state, obstacle, ranGeneration };
}

function without(state: InstanceState, ...kinds: Obstacle['kind'][]): InstanceState {
  if (!state.obstacle || !kinds.includes(state.obstacle.kind)) return state;
  const { obstacle: _, ...rest } = state;
  return rest;
}

function wantedGeneration({ wanted }: InstanceState): number {
  return wanted.kind === 'present' ? wanted.generation : 0;
}
