import { z } from 'zod';
import { limitJson } from '../../../database/limits/limit-json.ts';
import { limitScopes, type LimitKey } from '../../../database/limits/limits.ts';
import { limitOf } from '../../http/query.ts';

/** The word for all users or agents that have no limit of their own. */
const everyOther = 'default';

const scope = z.enum(limitScopes);

export const limitPath = z.object({
  scope,
  subject: z
    .union([
      z.literal(everyOther),
      z
        .string()
        .regex(
          /^(?!0{8}(-0{4}){3}-0{12}$)[\da-fA-F]{8}(-[\da-fA-F]{4}){3}-[\da-fA-F]{12}$/,
          'must be a UUID, and not the nil UUID',
        )
        .toLowerCase(),
    ])
    .meta({
      description: `Id of the user or of the agent, or \`${everyOther}\` for all that have no limit of their own.`,
    }),
});

export const limitChange = z.strictObject({
  at_most: z
    .int()
    .min(0)
    .max(2_147_483_647)
    .nullable()
    .meta({
      description: `Number of instances. Null, for one user or agent, lets it have any number, whatever \`${everyOther}\` says.`,
    }),
});

export const limitQuery = z.strictObject({
  scope: scope.optional(),
  limit: limitOf(1_000, 100),
  cursor: z
    .string()
    .regex(new RegExp(`^(${limitScopes.join('|')})/(${everyOther}|[\\da-f]{8}(-[\\da-f]{4}){3}-[\\da-f]{12})$`))
    .transform((text) => {
      const [ofScope, subject = ''] = text.split('/');
      return toKey({ scope: scope.parse(ofScope), subject });
    })
    .optional()
    .meta({ description: '`next_cursor` of the previous page.' }),
});

export const limitPage = z.object({
  limits: z.array(limitJson),
  next_cursor: z.string().nullable().meta({ description: 'Null on the last page.' }),
});

export function toKey({ scope: ofScope, subject }: z.infer<typeof limitPath>): LimitKey {
  return { scope: ofScope, subject: subject === everyOther ? null : subject };
}

export function toCursor({ scope: ofScope, subject }: LimitKey): string {
  return `${ofScope}/${subject ?? everyOther}`;
}
