import type { EventType } from '../../contracts/names.ts';
import type { DesiredState, InstanceStatus, StatusReason } from '../../contracts/names.ts';
import type { IncomingEvent } from '../../bridge/bus/incoming-event.ts';
import type { RecordStatusResult } from '../../activities/steps.ts';
import type { NewStatus } from '../../database/instances/status.ts';
import type { RowReading, RowState } from '../../workflows/messages.ts';

export interface ModelRow extends RowReading {
  observedGeneration: number;
  status: InstanceStatus;
  reason?: StatusReason | undefined;
  /** The sequence with the last status that was recorded. */
  statusSequence: number;
}

export interface ModelEvent {
  type: Extract<EventType, `instance.${string}`>;
  row: ModelRow;
}

/** The row of one instance and its event log, by the rules of the triggers and functions of database/migrations. */
export function createRowModel() {
  let row: ModelRow | undefined;
  const log: ModelEvent[] = [];
  /** What the table of the log holds: a restored backup holds less than was ever published. */
  let stored: ModelEvent[] = [];

  const append = (type: ModelEvent['type'], entry: ModelRow): ModelRow => {
    log.push({ type, row: entry });
    stored.push({ type, row: entry });
    return entry;
  };
  const nextSequence = (): number => stored.length + 1;
  const update = (changes: Partial<ModelRow>): RowReading => {
    row = append('instance.updated', { ...existing(row), ...changes, sequence: nextSequence() });
    return reading(row);
  };
  const change = (desiredState: DesiredState): void => {
    update({ desiredState, generation: existing(row).generation + 1 });
  };

  return {
    /** Every event that was ever published, oldest first. */
    log: log as readonly ModelEvent[],
    row: () => row,
    read: () => row && reading(row),
    readState: () => row && stateOf(row),
    /** The backup that was taken after so many events. */
    restore: (events: number): void => {
      stored = stored.slice(0, events);
      const last = stored.at(-1);
      const wasDeleted = last?.type === 'instance.deleted' || stored.at(-2)?.type === 'instance.deleted';
      row = wasDeleted && last?.type !== 'instance.created' ? undefined : last?.row;
    },
    insert: (desiredState: DesiredState = 'running'): void => {
      if (row) throw new Error('there is a row already');
      const sequence = nextSequence();
      row = append('instance.created', { sequence, generation: sequence, observedGeneration: sequence - 1, desiredState, status: 'pending', statusSequence: 0 }); // prettier-ignore
    },
    changeConfig: () => change(existing(row).desiredState),
    desire: (desiredState: DesiredState): void => {
      if (existing(row).desiredState !== desiredState) change(desiredState);
    },
    remove: (): void => {
      append('instance.deleted', { ...existing(row), sequence: nextSequence() });
      row = undefined;
    },
    recordStatus: (input: Omit<NewStatus, 'instanceId'>): RecordStatusResult => {
      const { status, generation, reason, knownSequence } = input;
      if (!row) return { outcome: 'gone' };
      const isNewer = row.observedGeneration > generation && row.observedGeneration <= row.generation;
      if (isNewer || generation > row.generation) return { outcome: 'stale', row: reading(row) };
      const same = row.status === status && row.observedGeneration === generation && sameReason(row.reason, reason);
      if (same) return { outcome: 'unchanged', row: reading(row) };
      if (knownSequence !== undefined && knownSequence < row.statusSequence)
        return { outcome: 'superseded', row: reading(row) };
      const changes = { status, observedGeneration: generation, reason, statusSequence: nextSequence() };
      return { outcome: 'recorded', row: update(changes) };
    },
    recordFinalStatus: (): RowReading | null => {
      if (row) return reading(row);
      const last = stored.at(-1);
      if (last?.type !== 'instance.deleted') return null;
      const { generation } = last.row;
      append('instance.updated', { ...last.row, sequence: nextSequence(), status: 'stopped', reason: undefined, observedGeneration: generation }); // prettier-ignore
      return null;
    },
  };
}

/** An event of the model as the consumer of the bus reads it. */
export function asIncoming(instanceId: string, { type, row }: ModelEvent): IncomingEvent {
  const { sequence, generation, observedGeneration, desiredState } = row;
  const id = `${instanceId}:${sequence}`;
  return {
    type,
    // Routing reads the headers alone.
    body: undefined,
    metadata: {
      id,
      type,
      source: 'model',
      subject: instanceId,
      time: new Date(0).toISOString(),
      sequence,
      schemaVersion: 1,
      correlationId: id,
      traceparent: id,
      instance: { agentId: 'agent', userId: 'user', desiredState, generation, observedGeneration },
    },
  } as unknown as IncomingEvent;
}

function reading({ sequence, generation, desiredState }: RowReading): RowReading {
  return { sequence, generation, desiredState };
}

function stateOf({ status, observedGeneration, reason, ...row }: ModelRow): RowState {
  return { ...reading(row), status, observedGeneration, ...(reason && { reason }) };
}

function existing(row: ModelRow | undefined): ModelRow {
  if (!row) throw new Error('there is no row');
  return row;
}

function sameReason(one: StatusReason | undefined, other: StatusReason | undefined): boolean {
  return one?.code === other?.code && one?.message === other?.message;
}
