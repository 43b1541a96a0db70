import type { Pool } from 'pg';
import { z } from 'zod';
import { desiredStates, instanceStatuses, type InstanceStatus, type StatusReason } from '../../contracts/names.ts';
import { counter, storedReason } from './view.ts';

/** What agents_worker reads of a row, and the two functions by which alone it writes to one. */

const reading = z
  .object({ sequence: counter, generation: counter, desired_state: z.enum(desiredStates) })
  .transform(({ desired_state: desiredState, ...rest }) => ({ ...rest, desiredState }));
type Reading = z.infer<typeof reading>;

const rowState = z
  .object({
    sequence: counter,
    generation: counter,
    desired_state: z.enum(desiredStates),
    status: z.enum(instanceStatuses),
    observed_generation: counter,
    reason: storedReason,
  })
  .transform(({ desired_state: desiredState, observed_generation: observedGeneration, reason, ...rest }) => ({
    ...rest,
    desiredState,
    observedGeneration,
    ...(reason && { reason }),
  }));

/** @returns null if no such row exists */
export async function readRowState(pool: Pool, instanceId: string): Promise<z.infer<typeof rowState> | null> {
  const { rows } = await pool.query(
    `select sequence, generation, desired_state, status, observed_generation, metadata -> 'status_reason' as reason
     from instances where id = $1`,
    [instanceId],
  );
  return rows[0] === undefined ? null : rowState.parse(rows[0]);
}

/** What is needed to start the agent of an instance. */
export interface RunnableInstance {
  row: Reading;
  agentId: string;
  config: Record<string, unknown>;
  /** Undefined if no agent of that id is published. `version` is the one to run, and `runtime` its own as stored: it is not validated. */
  agent?: { retired: boolean; drain: boolean; version: string; runtime: unknown };
  /** Whether the current generation was recorded as running. */
  running: boolean;
}

/**
 * An instance that got no version because its agent was not published gets one now, and keeps it.
 *
 * @returns undefined if no such row exists
 */
export async function readRunnableInstance(pool: Pool, instanceId: string): Promise<RunnableInstance | undefined> {
  const found = await readWithVersion(pool, instanceId);
  if (!found?.published || found.version !== null || !(await pinVersion(pool, instanceId))) return toRunnable(found);
  return toRunnable(await readWithVersion(pool, instanceId));
}

interface RowWithVersion {
  agent_id: string;
  config: Record<string, unknown>;
  published: boolean;
  retired: boolean;
  drain: boolean;
  running: boolean;
  version: string | null;
  runtime: unknown;
}

async function readWithVersion(pool: Pool, instanceId: string): Promise<RowWithVersion | undefined> {
  const { rows } = await pool.query<RowWithVersion>({
    name: 'read_instance',
    text: `select i.sequence, i.generation, i.desired_state, i.agent_id, i.config,
             a.id is not null as published, a.retired_at is not null as retired, a.drain, v.version, v.runtime,
             i.status = 'running' and i.observed_generation = i.generation as running
           from instances i left join agents a on a.id = i.agent_id
           left join agent_versions v on v.agent_id = i.agent_id and v.version = i.agent_version where i.id = $1`,
    values: [instanceId],
  });
  return rows[0];
}

function toRunnable(found: RowWithVersion | undefined): RunnableInstance | undefined {
  if (!found) return undefined;
  const { agent_id: agentId, config, retired, drain, running, version, runtime } = found;
  return {
    row: reading.parse(found),
    agentId,
    config,
    running,
    ...(version !== null && { agent: { retired, drain, version, runtime } }),
  };
}

/** Calls `pin_version` of the migrations. @returns whether the instance has a version now */
async function pinVersion(pool: Pool, instanceId: string): Promise<boolean> {
  const { rows } = await pool.query<{ version: string | null }>('select pin_version($1) as version', [instanceId]);
  return rows[0]?.version != null;
}

/** The event that led to a write, so that the event of the write can be traced back to it. */
interface Cause {
  eventId: string;
  correlationId: string;
  traceparent: string;
}

export interface NewStatus {
  instanceId: string;
  status: InstanceStatus;
  /** The generation that the status is about. */
  generation: number;
  reason?: StatusReason;
  /** The sequence of the row that the writer read last. Without it, another status that was written since is overwritten. */
  knownSequence?: number;
  cause?: Cause;
}

const outcome = z.enum(['recorded', 'unchanged', 'stale', 'superseded', 'gone']);
type Outcome = z.infer<typeof outcome>;

/**
 * Calls `record_instance_status` of the migrations. A repeat changes nothing and emits no event.
 *
 * @param onChange is called when the row had another status before, with the time that it had it
 */
export async function recordStatus(
  pool: Pool,
  { instanceId, status, generation, reason, knownSequence, cause }: NewStatus,
  onChange?: (left: { status: InstanceStatus; seconds: number }) => void,
): Promise<{ outcome: Exclude<Outcome, 'gone'>; row: Reading } | { outcome: 'gone' }> {
  const { rows } = await pool.query<{ outcome: unknown; left_status: InstanceStatus; left_seconds: number }>({
    name: 'record_instance_status',
    // A statement does not see what the functions that it calls have written, so this is the row as it was before.
    text: `select recorded.*, was.status as left_status,
             extract(epoch from clock_timestamp() - was.status_changed_at)::float8 as left_seconds
           from record_instance_status($1, $2, $3, $4, $5, $6) recorded left join instances was on was.id = $1`,
    values: [instanceId, status, generation, reason ? storable(reason) : null, toJson(cause), knownSequence],
  });
  const recorded = outcome.parse(rows[0]?.outcome);
  const { left_status: left, left_seconds: seconds } = rows[0] ?? {};
  if (recorded === 'recorded' && left !== undefined && left !== status)
    onChange?.({ status: left, seconds: seconds ?? 0 });
  return recorded === 'gone' ? { outcome: recorded } : { outcome: recorded, row: reading.parse(rows[0]) };
}

/** Calls `record_final_status` of the migrations. A repeat changes nothing and emits no event. */
export async function recordFinalStatus(pool: Pool, instanceId: string, cause?: Cause): Promise<Reading | null> {
  const { rows } = await pool.query({
    name: 'record_final_status',
    text: 'select * from record_final_status($1, $2)',
    values: [instanceId, toJson(cause)],
  });
  return rows[0] === undefined ? null : reading.parse(rows[0]);
}

const maxReasonLength = 4_000;

/** The message may quote output of an agent. PostgreSQL refuses NUL and unpaired surrogates, and limits the metadata. */
function storable({ code, message }: StatusReason): StatusReason {
  const wellFormed = Buffer.from(message.slice(0, maxReasonLength)).toString();
  return { code, message: wellFormed.replaceAll('\0', '\uFFFD') };
}

function toJson(cause: Cause | undefined): unknown {
  if (!cause) return null;
  return { event_id: cause.eventId, correlation_id: cause.correlationId, traceparent: cause.traceparent };
}
