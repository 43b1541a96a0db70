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

/** The host on which the agents of these states run, and another one. */
export const here = 'host-1';
export const elsewhere = 'host-2';

export const obstacleReasons = {
  failed: agentExited,
  awaitingAgent: agentUnknown,
  unplaced: { code: 'no_host', message: 'All hosts are full.' },
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
const obstacle = (kind: Exclude<Obstacle['kind'], 'restarting' | 'stuck' | 'unplaced'>) => ({
  obstacle: { kind, generation, reason: obstacleReasons[kind] },
});
const pause = (kind: 'restarting' | 'stuck' | 'unplaced') => ({
  obstacle: { kind, generation, reason: obstacleReasons[kind], dueAt },
});

type Standing = Pick<InstanceState, 'runtime' | 'obstacle' | 'lostHost' | 'strayHosts' | 'moving' | 'leaving'>;

const standing: Record<Condition, Standing> = {
  hostLost: { runtime: running(generation), leaving: true, lostHost: { hostId: here, message: 'It is lost.' } },
  astray: { runtime: running(generation), strayHosts: [elsewhere] },
  obsolete: { runtime: { kind: 'obsolete' } },
  current: { runtime: running(generation) },
  outdated: { runtime: running(generation - 1) },
  uncertain: { runtime: unknown },
  clean: { runtime: none },
  failedUncertain: { runtime: unknown, ...obstacle('failed') },
  failed: { runtime: none, ...obstacle('failed') },
  awaitingAgentUncertain: { runtime: unknown, ...obstacle('awaitingAgent') },
  awaitingAgent: { runtime: none, ...obstacle('awaitingAgent') },
  moving: { runtime: running(generation), moving: { hostId: here, message: 'It is drained.' } },
  unplaced: { runtime: none, ...pause('unplaced') },
  restarting: { runtime: unknown, ...pause('restarting') },
  stuck: { runtime: unknown, ...pause('stuck') },
  drainedUncertain: { runtime: unknown, ...obstacle('drained') },
  drained: { runtime: none, ...obstacle('drained') },
};

export const conditions = Object.keys(standing) as Condition[];
export const desiredStates = Object.keys(knownRows) as KnownDesiredState[];

/** A state in that cell of the table, even in a cell that no order of events reaches. Its row says `pending`, as a new one does. */
export function stateIn(condition: Condition, desiredState: KnownDesiredState): InstanceState {
  const stands = standing[condition];
  const placed = stands.runtime.kind === 'none' ? {} : { hostId: here };
  return { ...initialState, sequence: 4, knownRow: knownRows[desiredState], ...placed, ...stands };
}
