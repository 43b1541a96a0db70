import type { StatusReason } from '../contracts/names.ts';
import type { RowReading, RowState, RuntimeExited } from './messages.ts';
import { initialState, type InstanceEvent, type InstanceState, type Obstacle } from './state.ts';

const earlyExitsKept = 8;

/** Between the end of one deadline of a clean-up and the next try. */
const cleanUpPauseMs = 10 * 60_000;

/**
 * Folds one event, which came at `now` (milliseconds), into the state. Sequences put the events of a row into order, but a
 * restored row has earlier ones, and an event may be false: the row is read where something does not fit, and what was read
 * overrules everything that was heard.
 */
export function evolve(state: InstanceState, event: InstanceEvent, now: number): InstanceState {
  switch (event.type) {
    case 'rowChanged':
      // Late, a repeat, or of a row that was restored to an earlier version, which the sweeper finds. Reading the row for each
      // repeat would keep workflow tasks open while signals come, and Temporal then fails them.
      if (event.sequence <= state.sequence) return state;
      return { ...observe(state, event), doubt: state.doubt ?? 'heard', cause: event.cause };
    case 'rowDeleted':
      return { ...contradicted(state), ...(event.sequence > state.sequence && { cause: event.cause }) };
    case 'rowDeletedUnread':
      return event.sequence > state.sequence ? { ...gone(state, event.sequence), cause: event.cause } : state;
    case 'rowGone':
      return gone(state, state.sequence);
    case 'checkRequested':
      return contradicted(doubted(state));
    case 'rowRead':
      return overruled(state, event.row);
    case 'rowNotRead':
      return settled(state);
    case 'runtimeExited':
      return exited(state, event, now);
    case 'retryRequested': {
      if (event.requestId === state.lastRetryRequest) return state;
      const tried = without(unhidden(state), 'failed', 'restarting');
      return {
        // What is being drained ends first: it may have been begun before the retirement.
        ...(state.runtime.kind === 'none' ? without(tried, 'drained') : tried),
        lastRetryRequest: event.requestId,
        restarts: { count: 0 },
      };
    }
    case 'agentPublished':
      return { ...without(state, 'awaitingAgent'), publishedMeanwhile: true };
    case 'agentDrained':
      // What failed does not run.
      if (state.obstacle?.kind === 'failed') return state;
      return blocked(state, {
        kind: 'drained',
        generation: event.generation,
        reason: { code: 'agent_retired', message: event.message },
      });
    case 'provisioningStarted':
      return { ...state, runtime: { kind: 'unknown' }, publishedMeanwhile: false };
    case 'provisioned': {
      const { runtimeId, restart, row } = event;
      // The row was deleted meanwhile, and may have come again: whose agent this is, nobody can tell.
      if (state.runtime.kind === 'obsolete') return observe(state, row);
      const { generation } = row;
      const running = { kind: 'running', generation, runtimeId, since: now, restart } as const;
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
      const { obstacle: known, runtime } = state;
      const hides = known?.kind === 'failed' || known?.kind === 'drained' ? known : undefined;
      const reason = { code: 'cleanup_failed', message: event.message } as const;
      const generation = hides?.generation ?? wantedGeneration(state);
      const dueAt = now + cleanUpPauseMs;
      return {
        ...state,
        // Some of it may have been removed.
        runtime: runtime.kind === 'obsolete' ? runtime : { kind: 'unknown' },
        obstacle: { kind: 'stuck', generation, reason, dueAt, ...(hides && { hides }) },
      };
    }
    case 'pauseOver':
      return without(unhidden(state), 'restarting');
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
  if (row.sequence < state.sequence || isAnotherWish(state, row)) return contradicted(state);
  const { sequence, generation, desiredState } = row;
  const observed: InstanceState = { ...state, sequence, wanted: { kind: 'present', generation, desiredState } };
  if (observed.doubt === 'heard') delete observed.doubt;
  if (generation > wantedGeneration(state)) observed.restarts = initialState.restarts;
  if (!state.obstacle || state.obstacle.generation >= generation) return observed;
  const { obstacle: _, ...unblocked } = observed;
  return unblocked;
}

/** Each wish has a generation of its own; a restored row may give a number to another wish than before. */
function isAnotherWish({ wanted }: InstanceState, { generation, desiredState }: RowReading): boolean {
  return wanted.kind === 'present' && wanted.generation === generation && wanted.desiredState !== desiredState;
}

function contradicted(state: InstanceState): InstanceState {
  return { ...state, doubt: 'contradicted' };
}

function settled(state: InstanceState): InstanceState {
  const { doubt: _, ...rest } = state;
  return rest;
}

/** Whether anything runs has to be found out anew: provisioning takes over what does. */
function doubted(state: InstanceState): InstanceState {
  const { runtime } = state;
  return runtime.kind === 'running' || runtime.kind === 'none' ? { ...state, runtime: { kind: 'unknown' } } : state;
}

/** The row as it is now is the truth, whatever its numbers: a restored backup brings earlier ones. */
function overruled(state: InstanceState, row: RowState | null): InstanceState {
  if (!row) return settled(gone(state, state.sequence));
  const { sequence, generation, desiredState, status, observedGeneration, reason } = row;
  const { recorded } = state;
  // A row that does not say what was last written to it may be another one than the agent was started for.
  const isKnown = recorded.status === status && recorded.generation === observedGeneration;
  const { obstacle, doubt: _, ...rest } = isKnown ? state : doubted(state);
  return {
    ...rest,
    ranGeneration: state.ranGeneration > generation ? 0 : state.ranGeneration,
    sequence,
    wanted: { kind: 'present', generation, desiredState },
    recorded: { status, generation: observedGeneration, ...(reason && { reason }) },
    ...(wantedGeneration(state) !== generation && { restarts: initialState.restarts }),
    ...(obstacle && !isAnotherWish(state, row) && holdsFor(obstacle, row) && { obstacle }),
  };
}

/** Nothing that is known of an instance holds for a later row of its id. */
function gone(state: InstanceState, sequence: number): InstanceState {
  const { obstacle: _, runtime, ...rest } = state;
  return {
    ...rest,
    sequence,
    wanted: { kind: 'gone', finalStatusRecorded: false },
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
  if (event.kind === 'lost' || obstacle || generation !== wantedGeneration(state) || isToStop(state)) return down;

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

/**
 * An obstacle says nothing about another generation than its own. That is an earlier one, or a later one that ran before a backup of
 * the row was restored. Only a drain may be of a later generation that is not yet known.
 */
function blocked(state: InstanceState, obstacle: Obstacle): InstanceState {
  const { wanted } = state;
  if (wanted.kind !== 'present' || wanted.generation > obstacle.generation) return state;
  if (wanted.generation < obstacle.generation && obstacle.kind !== 'drained') return state;
  if (isToStop(state) && wanted.generation === obstacle.generation) return state;
  // What stopped running has no right to go on.
  const ranGeneration = obstacle.kind === 'failed' || obstacle.kind === 'drained' ? 0 : state.ranGeneration;
  return { ...state, obstacle, ranGeneration };
}

function without(state: InstanceState, ...kinds: Obstacle['kind'][]): InstanceState {
  if (!state.obstacle || !kinds.includes(state.obstacle.kind)) return state;
  const { obstacle: _, ...rest } = state;
  return rest;
}

/** Without the pause of a clean-up that did not succeed; what it hides holds again. */
function unhidden(state: InstanceState): InstanceState {
  const { obstacle, ...rest } = state;
  if (obstacle?.kind !== 'stuck') return state;
  return obstacle.hides ? { ...rest, obstacle: obstacle.hides } : rest;
}

/** Only what is left of an agent, and the end of the agent's use, have a bearing on an instance that is to stop. */
function holdsFor({ kind, generation }: Obstacle, row: RowReading): boolean {
  return generation === row.generation && (row.desiredState === 'running' || kind === 'stuck' || kind === 'drained');
}

function isToStop({ wanted }: InstanceState): boolean {
  return wanted.kind === 'present' && wanted.desiredState === 'stopped';
}

function wantedGeneration({ wanted }: InstanceState): number {
  return wanted.kind === 'present' ? wanted.generation : 0;
}
