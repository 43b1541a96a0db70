import { beginningOf } from '../../workflows/beginnings.ts';
import { decide, type Effect } from '../../workflows/decide.ts';
import { evolve } from '../../workflows/evolve.ts';
import type { RowReading, RowState } from '../../workflows/messages.ts';
import type { RestartPolicy } from '../../workflows/restart-policy.ts';
import { initialState, type InstanceEvent, type InstanceState } from '../../workflows/state.ts';
import { conditionOf, desiredStateOf } from '../../workflows/transitions.ts';
import type { Cell } from './visits.ts';

type LogEntry = ({ kind: 'row' } & RowReading) | { kind: 'deleted'; sequence: number };

const hostIds = ['host-1', 'host-2'];
const cause = { eventId: 'event', correlationId: 'event', traceparent: 'trace' };
const restart: RestartPolicy = { policy: 'never', maxRestarts: 1, backoffMs: 1, maxBackoffMs: 1, resetAfterMs: 1_000 };

/**
 * Lives one life of an instance by `decide` and `evolve` alone: each number chooses what happens next, among all that may
 * happen in any order. The row changes, a message about any version of it comes, an effect ends in one of its ways.
 *
 * @returns the cells in which `decide` was asked
 */
export function walk(choices: readonly number[]): Set<Cell> {
  const cells = new Set<Cell>();
  const log: LogEntry[] = [];
  let state = initialState;
  let begun: { effect: Effect; since: number } | undefined;

  const ask = (): Effect => {
    cells.add(`${conditionOf(state)} × ${desiredStateOf(state)}`);
    return decide(state);
  };
  const apply = (event: InstanceEvent | undefined): void => {
    if (event) state = evolve(state, event, 0);
  };

  for (const choice of choices) {
    const pick = <T>(options: readonly T[]): T | undefined => options[Math.floor(choice / 4) % options.length];
    const running = begun?.effect.type;
    if (choice % 4 === 0) {
      const entry = pick(nextEntries(log));
      if (entry) log.push(entry);
      continue;
    }
    if (choice % 4 === 1 && (running === undefined || running === 'provision' || running === 'wait')) {
      apply(pick(messages(state, log)));
      if (running === 'wait') begun = undefined;
    } else if (begun) {
      apply(pick(endings(begun, state, log)));
      begun = undefined;
    }
    // While something else than provisioning is under way, messages wait for its end.
    if (begun && begun.effect.type !== 'provision') continue;
    const effect = ask();
    if (effect.type === 'complete') return cells;
    if (begun || (effect.type === 'wait' && effect.until === undefined)) continue;
    begun = { effect, since: Math.max(log.length - 1, 0) };
    if (effect.type !== 'wait') apply(beginningOf(effect));
  }
  return cells;
}

function nextEntries(log: readonly LogEntry[]): LogEntry[] {
  const sequence = log.length + 1;
  const last = log.at(-1);
  if (last?.kind !== 'row') {
    return (['running', 'stopped'] as const).map((desiredState) => ({
      kind: 'row',
      sequence,
      // The trigger also begins above every generation of an earlier row.
      generation: sequence,
      desiredState,
    }));
  }
  const generation = last.generation + 1;
  return [
    { kind: 'row', sequence, generation, desiredState: 'running' },
    { kind: 'row', sequence, generation, desiredState: 'stopped' },
    { kind: 'deleted', sequence },
  ];
}

function messages({ runtime }: InstanceState, log: readonly LogEntry[]): InstanceEvent[] {
  const runtimeId = runtime.kind === 'running' ? runtime.runtimeId : 'runtime';
  const exit = { type: 'runtimeExited', runtimeId, failed: true, message: '' } as const;
  return [
    ...log.map((entry): InstanceEvent =>
      entry.kind === 'row'
        ? { ...readingOf(entry), type: 'rowChanged', cause }
        : { type: 'rowDeleted', sequence: entry.sequence, cause },
    ),
    { ...exit, kind: 'exited' },
    { ...exit, kind: 'lost' },
    ...hostIds.flatMap((hostId): InstanceEvent[] => [
      { type: 'hostLost', hostId, message: '' },
      { type: 'hostBack', hostId },
      { type: 'hostReplaceable', hostId },
      { type: 'moveRequested', hostId, message: '' },
      { type: 'agentFound', hostId },
    ]),
    { type: 'retryRequested', requestId: `after ${log.length}` },
    { type: 'agentPublished' },
    ...log.flatMap((entry): InstanceEvent[] =>
      entry.kind === 'row' && entry.desiredState === 'running'
        ? [{ type: 'agentDrained', message: '', generation: entry.generation }]
        : [],
    ),
  ];
}

/** How an effect may end; undefined: cancelled, or given up through no fault of the instance. */
function endings(
  { effect, since }: { effect: Effect; since: number },
  { recorded }: InstanceState,
  log: readonly LogEntry[],
): (InstanceEvent | undefined)[] {
  const row = log.at(-1);
  switch (effect.type) {
    case 'place':
      return [undefined, ...log.slice(since).flatMap((entry) => placeEndings(entry))];
    case 'locate':
      return [{ type: 'located', outcome: 'none' }, ...placements];
    case 'provision':
      return [
        { type: 'stepEnded' },
        ...log.slice(since).flatMap((entry) => provisionEndings(effect.generation, entry, effect.hostId)),
      ];
    case 'readRow':
      return [{ type: 'rowRead', row: row?.kind === 'row' ? { ...readingOf(row), ...said(recorded) } : null }];
    case 'cleanUp':
      return [
        { ...effect, type: 'cleanedUp' },
        { ...effect, type: 'cleanUpFailed', message: '' },
        { type: 'stepEnded' },
      ];
    case 'recordStatus':
      return row?.kind === 'row' ? [{ ...effect, type: 'statusRecorded', row: readingOf(row) }] : [{ type: 'rowGone' }];
    case 'recordFinalStatus':
      return [{ type: 'finalStatusRecorded', ...(row?.kind === 'row' && { row: readingOf(row) }) }];
    case 'wait':
      return [{ type: 'pauseOver' }];
    case 'complete':
      return [];
  }
}

const placements = hostIds.flatMap((hostId): InstanceEvent[] => [
  { type: 'located', outcome: 'on', hostId },
  { type: 'located', outcome: 'hostLost', hostId, message: '' },
]);

function placeEndings(entry: LogEntry): InstanceEvent[] {
  if (entry.kind === 'deleted') return [{ type: 'rowGone' }];
  const row = readingOf(entry);
  if (row.desiredState === 'stopped') return [{ type: 'notWanted', row }];
  return [
    { type: 'agentMissing', row, message: '' },
    { type: 'noHost', row, message: '' },
    ...hostIds.map((hostId): InstanceEvent => ({ type: 'placed', hostId })),
    ...placements,
  ];
}

function provisionEndings(generation: number, entry: LogEntry, hostId: string): InstanceEvent[] {
  if (entry.kind === 'deleted') return [{ type: 'rowGone' }];
  const row = readingOf(entry);
  if (row.desiredState === 'stopped') return [{ type: 'notWanted', row }];
  const policies = (['never', 'always'] as const).map((policy) => ({ ...restart, policy }));
  return [
    ...policies.map((policy): InstanceEvent => ({
      type: 'provisioned',
      row,
      runtimeId: 'runtime',
      restart: policy,
      hostId,
    })),
    { type: 'agentMissing', row, message: '' },
    { type: 'provisioningFailed', generation, reason: { code: 'provisioning_failed', message: '' } },
  ];
}

/** In these lives the row holds the status that the workflow wrote. */
function said({ status, generation }: InstanceState['recorded']): Pick<RowState, 'status' | 'observedGeneration'> {
  return { status, observedGeneration: generation };
}

function readingOf({ sequence, generation, desiredState }: RowReading): RowReading {
  return { sequence, generation, desiredState };
}
