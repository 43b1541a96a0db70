import { z } from 'zod';
import { id, timestamp } from '../../../contracts/fields.ts';

const position = z.int().positive();
const hash = z.string().regex(/^[\da-f]{64}$/);
const idFilter = (what: string) => id(what).toLowerCase().optional();
const time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));

const cursor = z
  .string()
  .regex(/^[1-9]\d{0,14}$/, 'is none that this interface has given')
  .transform(Number);

export const auditQuery = z.strictObject({
  instance_id: idFilter('Only of this instance.'),
  agent_id: idFilter('Only of this agent, and of instances that run it.'),
  user_id: idFilter('Only of instances of this user.'),
  type: z.string().min(1).optional().meta({ description: 'Only events of this type.' }),
  from: time.optional().meta({ description: 'Only what happened at that time or later.' }),
  to: time.optional().meta({ description: 'Only what happened before that time.' }),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: cursor.optional().meta({ description: 'The `next_cursor` of the answer before.' }),
});

export const auditPage = z.object({
  entries: z.array(
    z.object({
      position,
      event_id: id('Of the event.'),
      type: z.string(),
      time: timestamp('When it happened.'),
      instance_id: id('The instance that it is about.').nullable(),
      agent_id: id(
        'The agent that it is about, or that the instance runs; null where entries of the log were removed.',
      ).nullable(),
      user_id: id('Whose the instance is.').nullable(),
      sequence: z.int().meta({ description: 'Version of the row.' }),
      correlation_id: id('Shared by everything that one change led to.'),
      causation_id: id('The event that led to this one.').nullable(),
      schema_version: z.int().meta({ description: 'Of the body.' }),
      desired_state: z.string().nullable().meta({ description: 'What was wanted of the instance.' }),
      generation: z.int().nullable().meta({ description: 'Version of what was wanted.' }),
      observed_generation: z.int().nullable().meta({ description: 'The generation that the status spoke of.' }),
      body: z.unknown().meta({ description: 'As the event says it; `config_sha256` stands for a config.' }),
      recorded_at: timestamp('When the entry was written.'),
      hash: hash.meta({ description: 'Of this entry, with the hash of the one before in it.' }),
    }),
  ),
  next_cursor: z.string().nullable().meta({ description: 'For the entries before these; null when there are none.' }),
});

/** `<position>:<hash>`, as the verification shows it. */
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
    .meta({ description: 'Last position and hash of an earlier verification: an end that was cut off is noticed.' }),
});

export const verificationAnswer = z.object({
  intact: z.boolean(),
  entries: z.int().meta({ description: 'How many follow each other as they should, from the first on.' }),
  first_position: position.nullable(),
  last_position: position.nullable(),
  head_hash: hash.nullable().meta({ description: 'Of the entry at `last_position`.' }),
  problem: z.string().nullable().meta({ description: 'The first thing that is wrong.' }),
  notice: z.string().nullable().meta({ description: 'What to know although nothing is wrong.' }),
});
