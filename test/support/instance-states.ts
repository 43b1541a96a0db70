import type { StatusReason } from '../../contracts/names.ts';
import {
  initialState,
  type InstanceState,
  type Obstacle,
  type RuntimeState,
  type KnownRow,
} from '../../workflows/state.ts';
import type { Condition, KnownDesiredState } from '../../workflows/transitions.ts';
import { agentExited, agentRetired, agentUnknown, cleanUpTimedOut, neverRestart } from './instance-events.ts';

/** The desired generation of these states, and the time at which their pauses end. */
export const generation = 2;
export const dueAt = 5_000;

export const obstacleReasons = {
  failed: agentExited,
  awaitingAgent: agentUnknown,
  restarting: { code: 'restarting', message: 'It ended with code 1. Restart 1 of 3 after 1 s.' },
  drained: agentRetired,
  stuck: cleanUpTimedOut,
} as const satisfies Record<Obstacle['kind'], StatusReason>;

const knownRows: Record<KnownDesiredState, KnownRow> = {
  unknown: { kind: 'unknown' },
  running: { kind: 'present', generation, desiredState: 'running' },
  stopped: { kind: 'present', generation, desiredState: 'stopped' },
  gone: { kind: 'gone', finalStatusRecorded: false },
};
const unknown: RuntimeState = { kind: 'unknown' };
const none: RuntimeState = { kind: 'none' };
const running = (of: number): RuntimeState => ({
  kind: 'running',
  generation: of,
  runtimeId: 'first',
  since: 0,
  restart: neverRestart,
});
const obstacle = (kind: Exclude<Obstacle['kind'], 'restarting' | 'stuck'>) => ({
  obstacle: { kind, generation, reason: obstacleReasons[kind] },
});
const pause = (kind: 'restarting' | 'stuck') => ({
  obstacle: { kind, generation, reason: obstacleReasons[kind], dueAt },
});

const standing: Record<Condition, Pick<InstanceState, 'runtime' | 'obstacle'>> = {
  obsolete: { runtime: { kind: 'obsolete' } },
  current: { runtime: running(generation) },
  outdated: { runtime: running(generation - 1) },
  uncertain: { runtime: unknown },
  clean: { runtime: none },
  failedUncertain: { runtime: unknown, ...obstacle('failed') },
  failed: { runtime: none, ...obstacle('failed') },
  awaitingAgentUncertain: { runtime: unknown, ...obstacle('awaitingAgent') },
  awaitingAgent: { runtime: none, ...obstacle('awaitingAgent') },
  restarting: { runtime: unknown, ...pause('restarting') },
  stuck: { runtime: unknown, ...pause('stuck') },
  drainedUncertain: { runtime: unknown, ...obstacle('drained') },
  drained: { runtime: none, ...obstacle('drained') },
};

export const conditions = Object.keys(standing) as Condition[];
export const desiredStates = Object.keys(knownRows) as KnownDesiredState[];

/** A state in that cell of the table, even in a cell that no order of events reaches. Its row says `pending`, as a new one does. */
export function stateIn(condition: Condition, desiredState: KnownDesiredState): InstanceState {
  return { ...initialState, sequence: 4, knownRow: knownRows[desiredState], ...standing[condition] };
}
