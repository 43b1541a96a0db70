import type { Pool } from 'pg';
import { z } from 'zod';
import { desiredStates, instanceStatuses, type StatusReason } from '../contracts/names.ts';
import { statusReason } from '../database/instance-view.ts';
import type { RecordStatusInput, RecordStatusResult } from '../workflows/activities.ts';
import type { Cause, RowReading, RowState } from '../workflows/messages.ts';

/** bigint comes as text; versions stay far below 2^53. */
const version = z.coerce.number().pipe(z.int());

const rowReading = z
  .object({ sequence: version, generation: version, desired_state: z.enum(desiredStates) })
  .transform(({ sequence, generation, desired_state }): RowReading => ({
    sequence,
    generation,
    desiredState: desired_state,
  }));

export interface InstanceAndAgent {
  row: RowReading;
  agentId: string;
  config: Record<string, unknown>;
  /** Undefined when no agent of that id was published. `runtime` is as stored: not validated. */
  agent?: { retired: boolean; drain: boolean; runtime: unknown };
  /** The row says that its generation runs. */
  running: boolean;
}

const rowState = z
  .object({
    sequence: version,
    generation: version,
    desired_state: z.enum(desiredStates),
    status: z.enum(instanceStatuses),
    observed_generation: version,
    // Metadata belongs to the user, who may have put anything there.
    reason: statusReason.nullable().catch(null),
  })
  .transform(({ desired_state, observed_generation, reason, ...rest }): RowState => ({
    ...rest,
    desiredState: desired_state,
    observedGeneration: observed_generation,
    ...(reason && { reason }),
  }));

/** @returns null when the row is gone */
export async function readRowState(pool: Pool, instanceId: string): Promise<RowState | null> {
  const { rows } = await pool.query(
    `select sequence, generation, desired_state, status, observed_generation, metadata -> 'status_reason' as reason
     from instances where id = $1`,
    [instanceId],
  );
  return rows[0] === undefined ? null : rowState.parse(rows[0]);
}

/** @returns undefined when the row is gone */
export async function readInstance(pool: Pool, instanceId: string): Promise<InstanceAndAgent | undefined> {
  const { rows } = await pool.query<{
    agent_id: string;
    config: Record<string, unknown>;
    published: boolean;
    retired: boolean;
    drain: boolean;
    running: boolean;
    runtime: unknown;
  }>({
    name: 'read_instance',
    text: `select i.sequence, i.generation, i.desired_state, i.agent_id, i.config,
             a.id is not null as published, a.retired_at is not null as retired, a.drain, a.runtime,
             i.status = 'running' and i.observed_generation = i.generation as running
           from instances i left join agents a on a.id = i.agent_id where i.id = $1`,
    values: [instanceId],
  });
  const [found] = rows;
  if (!found) return undefined;
  const { agent_id, config, published, retired, drain, running, runtime } = found;
  const row = rowReading.parse(found);
  return { row, agentId: agent_id, config, running, ...(published && { agent: { retired, drain, runtime } }) };
}

const recordOutcome = z.enum(['recorded', 'unchanged', 'stale', 'gone']);

/** `record_instance_status` of the migrations: repeating it changes nothing and emits nothing. */
export async function writeStatus(pool: Pool, input: RecordStatusInput): Promise<RecordStatusResult> {
  const { instanceId, status, generation, reason, cause } = input;
  const { rows } = await pool.query<{ outcome: unknown }>({
    name: 'record_instance_status',
    text: 'select * from record_instance_status($1, $2, $3, $4, $5)',
    values: [instanceId, status, generation, reason ? storable(reason) : null, toJson(cause)],
  });
  const outcome = recordOutcome.parse(rows[0]?.outcome);
  return outcome === 'gone' ? { outcome } : { outcome, row: rowReading.parse(rows[0]) };
}

/** `record_final_status` of the migrations: repeating it changes nothing and emits nothing. */
export async function writeFinalStatus(pool: Pool, instanceId: string, cause?: Cause): Promise<RowReading | null> {
  const { rows } = await pool.query({
    name: 'record_final_status',
    text: 'select * from record_final_status($1, $2)',
    values: [instanceId, toJson(cause)],
  });
  return rows[0] === undefined ? null : rowReading.parse(rows[0]);
}

const maxReasonLength = 4_000;

/** What an agent printed may be in it: PostgreSQL takes neither NUL nor half a surrogate pair, and bounds the metadata. */
function storable({ code, message }: StatusReason): StatusReason {
  const wellFormed = Buffer.from(message.slice(0, maxReasonLength)).toString();
  return { code, message: wellFormed.replaceAll('\0', '\uFFFD') };
}

function toJson(cause: Cause | undefined): unknown {
  return cause
    ? { event_id: cause.eventId, correlation_id: cause.correlationId, traceparent: cause.traceparent }
    : null;
}
