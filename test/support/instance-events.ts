import { decide, type Effect } from '../../workflows/decide.ts';
import { evolve } from '../../workflows/evolve.ts';
import type { Cause, RowReading, RowState } from '../../workflows/messages.ts';
import type { RestartPolicy } from '../../workflows/restart-policy.ts';
import { initialState, type InstanceEvent, type InstanceState } from '../../workflows/state.ts';

type Of<Type extends InstanceEvent['type']> = Extract<InstanceEvent, { type: Type }>;
type RecordStatus = Extract<Effect, { type: 'recordStatus' }>;

/** Events and effects for lives that tests write down. Agents are never restarted unless a test says so. */
export const neverRestart: RestartPolicy = {
  policy: 'never',
  maxRestarts: 3,
  backoffMs: 1_000,
  maxBackoffMs: 3_000,
  resetAfterMs: 60_000,
};
export const reason = { code: 'provisioning_failed', message: 'The agent was not ready in time.' } as const;
export const agentExited = { code: 'agent_exited', message: 'It ended with code 1.' } as const;
export const agentUnknown = { code: 'agent_unknown', message: 'The agent is not published yet.' } as const;
export const agentRetired = { code: 'agent_retired', message: 'The agent was retired.' } as const;
export const cleanUpTimedOut = { code: 'cleanup_failed', message: 'The runtime is away.' } as const;

export const hostIsLost = { code: 'host_lost', message: 'The host is lost.' } as const;
export const hostIsDrained = { code: 'moving', message: 'The host is drained.' } as const;
export const noHostFits = { code: 'no_host', message: 'All hosts are full.' } as const;

export const row = (
  sequence: number,
  generation: number,
  desiredState: RowReading['desiredState'] = 'running',
): RowReading => ({ sequence, generation, desiredState });
export const causeOf = (sequence: number): Cause => ({
  eventId: `event-${sequence}`,
  correlationId: 'c',
  traceparent: 't',
});

export const rowChanged = (...given: Parameters<typeof row>): Of<'rowChanged'> => ({
  type: 'rowChanged',
  ...row(...given),
  cause: causeOf(given[0]),
});
/** A deletion as the workflow hears it. The workflow reads the row before it believes it. */
export const deletionHeard = (sequence: number): Of<'rowDeleted'> => ({
  type: 'rowDeleted',
  sequence,
  cause: causeOf(sequence),
});
/** A deletion that the workflow heard and found to be true. */
export const deleted = (sequence: number): (Of<'rowDeleted'> | Of<'rowRead'>)[] => [
  deletionHeard(sequence),
  rowRead(null),
];
export const rowRead = (found: RowState | null): Of<'rowRead'> => ({ type: 'rowRead', row: found });
export const checkRequested: Of<'checkRequested'> = { type: 'checkRequested' };
export const exit = (kind: 'exited' | 'lost', runtimeId = 'first', failed = true): Of<'runtimeExited'> => ({
  type: 'runtimeExited',
  runtimeId,
  kind,
  failed,
  message: agentExited.message,
});
export const retry = (requestId = 'request'): Of<'retryRequested'> => ({ type: 'retryRequested', requestId });
export const published: Of<'agentPublished'> = { type: 'agentPublished' };
export const drained: Of<'agentDrained'> = { type: 'agentDrained', message: agentRetired.message, generation: 1 };

export const placing: Of<'placingStarted'> = { type: 'placingStarted' };
export const placed = (hostId = 'host-1', leftHostId?: string): Of<'placed'> => ({
  type: 'placed',
  hostId,
  ...(leftHostId !== undefined && { leftHostId }),
});
export const noHost = (reading: RowReading): Of<'noHost'> => ({
  type: 'noHost',
  row: reading,
  message: noHostFits.message,
});
export const nowhere: Of<'located'> = { type: 'located', outcome: 'none' };
export const locatedOn = (hostId = 'host-1'): Of<'located'> => ({ type: 'located', outcome: 'on', hostId });
export const foundLost = (hostId = 'host-1'): Of<'located'> => ({
  type: 'located',
  outcome: 'hostLost',
  hostId,
  message: hostIsLost.message,
});
export const hostLost = (hostId = 'host-1'): Of<'hostLost'> => ({
  type: 'hostLost',
  hostId,
  message: hostIsLost.message,
});
export const hostBack = (hostId = 'host-1'): Of<'hostBack'> => ({ type: 'hostBack', hostId });
export const hostReplaceable = (hostId = 'host-1'): Of<'hostReplaceable'> => ({ type: 'hostReplaceable', hostId });
export const moveRequested = (hostId = 'host-1'): Of<'moveRequested'> => ({
  type: 'moveRequested',
  hostId,
  message: hostIsDrained.message,
});
export const agentFound = (hostId = 'host-2'): Of<'agentFound'> => ({ type: 'agentFound', hostId });
export const provisioningStarted: Of<'provisioningStarted'> = { type: 'provisioningStarted' };
/** Provisioning is under way on the host where the instance was placed before. */
export const begun: InstanceEvent[] = [placing, placed(), provisioningStarted];
export const provisioned = (
  reading: RowReading,
  runtimeId = 'first',
  restart: RestartPolicy = neverRestart,
): Of<'provisioned'> => ({ type: 'provisioned', row: reading, runtimeId, restart, hostId: 'host-1' });
export const notWanted = (reading: RowReading): Of<'notWanted'> => ({ type: 'notWanted', row: reading });
export const agentMissing = (reading: RowReading): Of<'agentMissing'> => ({
  type: 'agentMissing',
  row: reading,
  message: agentUnknown.message,
});
export const provisioningFailed = (generation: number): Of<'provisioningFailed'> => ({
  type: 'provisioningFailed',
  generation,
  reason,
});
export const cleanUpBegun = (hostId: string): Of<'cleanUpStarted'> => ({ type: 'cleanUpStarted', hostId });
export const cleanedUpOn = (hostId = 'host-1'): Of<'cleanedUp'> => ({ type: 'cleanedUp', hostId });
/** The host was looked up and cleaned up. */
export const cleanedUp: InstanceEvent[] = [locatedOn(), cleanedUpOn()];
export const cleanUpFailed: Of<'cleanUpFailed'> = {
  type: 'cleanUpFailed',
  message: cleanUpTimedOut.message,
  hostId: 'host-1',
};
export const pauseOver: Of<'pauseOver'> = { type: 'pauseOver' };
export const rowGone: Of<'rowGone'> = { type: 'rowGone' };
export const finalRecorded: Of<'finalStatusRecorded'> = { type: 'finalStatusRecorded' };
export const recorded = (
  status: Of<'statusRecorded'>['status'],
  reading: RowReading,
  why?: Of<'statusRecorded'>['reason'],
): Of<'statusRecorded'> => ({
  type: 'statusRecorded',
  status,
  generation: reading.generation,
  row: reading,
  ...(why && { reason: why }),
});

/** The effect that records a status. */
export const record = (
  status: RecordStatus['status'],
  generation: number,
  why?: RecordStatus['reason'],
): RecordStatus => ({ type: 'recordStatus', status, generation, ...(why && { reason: why }) });

type Life = (InstanceEvent | readonly InstanceEvent[] | number)[];

/** A number among the events is the time, in milliseconds, at which the following events come. */
export function after(...life: Life): InstanceState {
  return from(initialState, ...life);
}

/** What the workflow does next. Where it reads the placement before, the instance is placed on that host. */
export function stepOf(state: InstanceState, hostId = 'host-1'): Effect {
  const effect = decide(state);
  if (effect.type === 'place') return stepOf(from(state, placing, placed(hostId)));
  return effect.type === 'locate' ? stepOf(from(state, locatedOn(hostId))) : effect;
}

export function from(beginning: InstanceState, ...life: Life): InstanceState {
  let now = 0;
  let state = beginning;
  for (const item of life.flat()) {
    if (typeof item === 'number') now = item;
    else state = evolve(state, item, now);
  }
  return state;
}
