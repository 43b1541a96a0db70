import { z } from 'zod';
import { statusReason, type Queryable } from '../database/instances/view.ts';
import { duration } from './duration.ts';
import type { Past } from './past.ts';
import { readMoves } from './rollout-words.ts';
import type { TimelineEntry } from './timeline.ts';

const versionField = z.string().nullish().catch(undefined);

/** The row as the trigger wrote it. A field that is missing or malformed has a placeholder, so the rest is still shown. */
const version = z.looseObject({
  status: z.string().catch('?'),
  desired_state: z.string().catch('?'),
  generation: z.number().catch(0),
  observed_generation: z.number().catch(0),
  agent_id: z.string().catch('?'),
  user_id: z.string().catch('?'),
  metadata: z.record(z.string(), z.unknown()).catch({}),
  // Older entries have no versions.
  agent_version: versionField,
  running_version: versionField,
  version_policy: versionField,
});
type Version = z.infer<typeof version>;

const logEntry = z.object({
  sequence: z.coerce.number(),
  event_id: z.string(),
  change: z.string(),
  row: version,
  with_config: z.boolean(),
  causation_id: z.string().nullable(),
  occurred_at: z.date(),
  published_at: z.date().nullable(),
  rejected_reason: z.string().nullable(),
});
export type RowVersion = z.infer<typeof logEntry> & {
  /** What a rollout did to the instance with this version of the row. */
  move?: string;
};

/** The latest versions of a row, oldest first. Configs stay in the database, because they may be large and secret. */
export async function readLog(
  database: Queryable,
  { instanceId, last, past }: { instanceId: string; last: number; past: Past },
): Promise<RowVersion[]> {
  const { rows } = await database.query(
    `select sequence, event_id, notification ->> 'event_type' as change,
       notification #- '{row_data,config}' -> 'row_data' as row,
       notification -> 'row_data' ? 'config' as with_config,
       causation_id, occurred_at, published_at, rejected_reason
     from event_history where entity_id = $1 and user_id is not null and sequence >= $3 order by sequence desc limit $2`,
    [instanceId, last + 1, past.fromSequence],
  );
  const moves = await readMoves(database, instanceId);
  const log = rows.map((row) => logEntry.parse(row)).toReversed();
  return log.map((entry, index) => {
    const { generation } = entry.row;
    const isNew = entry.change === 'update' && generation !== log[index - 1]?.row.generation;
    const move = isNew ? moves.get(generation) : undefined;
    return move === undefined ? entry : { ...entry, move };
  });
}

export function logTimeline(log: readonly RowVersion[]): TimelineEntry[] {
  const sequenceOf = new Map(log.map(({ event_id, sequence }) => [event_id, sequence]));
  return log.map((entry, index) => {
    const cause = entry.causation_id;
    const sequence = cause === null ? undefined : sequenceOf.get(cause);
    return {
      time: entry.occurred_at,
      source: 'row',
      text: [
        `#${entry.sequence} ${eventNames.get(entry.change) ?? entry.change}: ${changesOf(entry, log[index - 1])}`,
        ...(entry.move === undefined ? [] : [entry.move]),
        ...(cause === null ? [] : [`caused by ${sequence === undefined ? `event ${cause}` : `#${sequence}`}`]),
        publication(entry),
        // The reason comes last, because it may quote several lines of output.
        ...reasonOf(entry, log[index - 1]),
      ].join('; '),
      bad: entry.rejected_reason !== null || statusOf(entry) === 'failed',
    };
  });
}

const eventNames = new Map([
  ['insert', 'instance.created'],
  ['update', 'instance.updated'],
  ['delete', 'instance.deleted'],
]);

function statusOf({ change, row }: RowVersion): string | undefined {
  return change === 'update' ? row.status : undefined;
}

function changesOf({ change, row, with_config: withConfig }: RowVersion, before: RowVersion | undefined): string {
  if (change === 'delete') return `deleted in status ${row.status}`;
  if (change === 'insert' || !before) {
    const { agent_id: agent, user_id: user, desired_state: desiredState, status, generation } = row;
    const ofVersion = row.agent_version == null ? '' : `, version ${row.agent_version}`;
    const state = `status ${status}, desired state ${desiredState}, generation ${generation}`;
    return `${state}, agent ${agent}${ofVersion}, user ${user}`;
  }
  const changed = differences(before.row, row);
  if (withConfig) changed.unshift('config changed');
  return changed.join(', ') || 'no visible change';
}

const compared = ['desired_state', 'agent_id', 'user_id', 'generation', 'status', 'observed_generation'] as const;
const versionFields = ['agent_version', 'running_version', 'version_policy'] as const;

function differences(before: Version, after: Version): string[] {
  const nameOf = (field: string): string => field.replace(/_id$/, '').replace('_', ' ');
  const changed = compared
    .filter((field) => before[field] !== after[field])
    .map((field) => `${nameOf(field)} ${before[field]} → ${after[field]}`);
  const versions = versionFields
    .filter((field) => before[field] !== undefined && after[field] !== undefined && before[field] !== after[field])
    .map((field) => `${nameOf(field)} ${before[field] ?? 'none'} → ${after[field] ?? 'none'}`);
  changed.push(...versions);
  const keys = new Set([...Object.keys(before.metadata), ...Object.keys(after.metadata)]);
  keys.delete('status_reason');
  const others = [...keys].filter((key) => !same(before.metadata[key], after.metadata[key]));
  if (others.length > 0) changed.push(`metadata changed (${others.join(', ')})`);
  return changed;
}

function reasonOf({ row }: RowVersion, before: RowVersion | undefined): string[] {
  const { status_reason: given } = row.metadata;
  const reason = statusReason.safeParse(given).data;
  if (!reason || same(before?.row.metadata['status_reason'], given)) return [];
  return [`because of ${reason.code}: ${reason.message}`];
}

/** Compares two values from jsonb columns, in which equal objects have the same order of keys. */
function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function publication({ published_at, occurred_at, rejected_reason }: RowVersion): string {
  if (rejected_reason !== null) return `never published: ${rejected_reason}`;
  if (published_at === null) return 'not published yet';
  return `published after ${duration(published_at.getTime() - occurred_at.getTime())}`;
}
