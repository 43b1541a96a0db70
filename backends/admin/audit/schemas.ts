import { z } from 'zod';
import { id, timestamp } from '../../../contracts/fields.ts';
import { limitOf } from '../../http/query.ts';

const position = z.int().positive();
const hash = z.string().regex(/^[\da-f]{64}$/);
const idFilter = (what: string) => id(what).toLowerCase().optional();
const time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));

const cursor = z
  .string()
  .regex(/^[1-9]\d{0,14}$/, 'must be the `next_cursor` of an earlier answer')
  .transform(Number);

export const auditQuery = z.strictObject({
  instance_id: idFilter('Only entries about this instance.'),
  agent_id: idFilter('Only entries about this agent and about instances that run it.'),
  user_id: idFilter('Only entries about instances of this user.'),
  type: z.string().min(1).optional().meta({ description: 'Only events of this type.' }),
  from: time.optional().meta({ description: 'Only events of this time or later.' }),
  to: time.optional().meta({ description: 'Only events before this time.' }),
  limit: limitOf(200, 50),
  cursor: cursor.optional().meta({ description: '`next_cursor` of the previous page.' }),
});

/** An entry of the audit log. */
const auditEntry = z.object({
  position,
  event_id: id('Id of the event.'),
  type: z.string(),
  time: timestamp('Time of the event.'),
  instance_id: id('Instance that the event is about; null for an event of an agent.').nullable(),
  agent_id: id(
    'Agent that the event is about, or that its instance runs; null for an event of a deployment, and for an entry that records a removal.',
  ).nullable(),
  user_id: id('Owner of the instance.').nullable(),
  sequence: z.int().meta({ description: 'Version of the row.' }),
  correlation_id: id('Shared by all events that one change caused.'),
  causation_id: id('Event that caused this one.').nullable(),
  schema_version: z.int().meta({ description: 'Version of the body.' }),
  desired_state: z.string().nullable().meta({ description: 'State that the owner wanted.' }),
  generation: z
    .int()
    .nullable()
    .meta({ description: 'Number of changes to the agent, its version, config and desired state.' }),
  observed_generation: z.int().nullable().meta({ description: 'Generation that the status described.' }),
  body: z.unknown().meta({ description: 'Body of the event. A hash, `config_sha256`, replaces the config.' }),
  recorded_at: timestamp('Time at which the entry was written.'),
  hash: hash.meta({ description: 'Hash of this entry, which covers the hash of the previous entry.' }),
});
type EntryJson = z.infer<typeof auditEntry>;
/** `body` is a text if it is no JSON, which means that somebody has changed the entry. */
export type AuditEntry = Omit<EntryJson, 'time' | 'recorded_at'> & Record<'time' | 'recorded_at', Date>;

export const auditPage = z.object({
  entries: z.array(auditEntry),
  next_cursor: z.string().nullable().meta({ description: '`cursor` of the next page; null on the last one.' }),
});

/** `<position>:<hash>`, as a verification reports it. */
export const chainHead = z
  .string()
  .regex(/^[1-9]\d{0,15}:[\da-fA-F]{64}$/, 'must be <position>:<hash>, as an earlier verification showed it')
  .transform((text) => {
    const [noted, noticed] = text.split(':');
    return { position: Number(noted), hash: String(noticed).toLowerCase() };
  });

export const verificationQuery = z.strictObject({
  expect: chainHead
    .optional()
    .meta({ description: 'Last position and hash of an earlier verification. With it, a truncated log is noticed.' }),
});

export const verificationAnswer = z.object({
  intact: z.boolean(),
  entries: z.int().meta({ description: 'Number of entries from the first one on that form an intact chain.' }),
  first_position: position.nullable(),
  last_position: position.nullable(),
  head_hash: hash.nullable().meta({ description: 'Hash of the entry at `last_position`.' }),
  problem: z.string().nullable().meta({ description: 'First fault that was found.' }),
  notice: z.string().nullable().meta({ description: 'Hint that is no fault.' }),
});
