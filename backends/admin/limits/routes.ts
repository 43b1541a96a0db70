import type { Pool } from 'pg';
import { limitJson, limitToJson } from '../../../database/limits/limit-json.ts';
import { listLimits, removeLimit, setLimit } from '../../../database/limits/limits.ts';
import { describeRoute } from '../../http/open-api.ts';
import { notFound, ProblemError, problems } from '../../http/problem.ts';
import type { HttpServer } from '../../http/server.ts';
import { limitChange, limitPage, limitPath, limitQuery, toCursor, toKey } from './schemas.ts';

const list = describeRoute('listLimits', 'List how many instances users and agents may have', {
  description: 'Users and agents without a limit of their own are not listed: that of `default` holds for them.',
  querystring: limitQuery,
  response: { 200: limitPage, ...problems() },
});

const put = describeRoute('setLimit', 'Limit the number of instances of a user or an agent', {
  description:
    'All rows of instances count, whatever their status. A limit below what is there removes nothing, but nothing can be added until ' +
    'enough was deleted. A limit of n makes each insert read up to n entries of an index.',
  params: limitPath,
  body: limitChange,
  response: { 200: limitJson, ...problems(422) },
});

const remove = describeRoute('removeLimit', 'Remove the limit of a user or an agent', {
  description: 'Answers with the limit as it was. The limit of `default`, if there is one, holds from now on.',
  params: limitPath,
  response: { 200: limitJson, ...problems(404) },
});

export function addLimitRoutes(app: HttpServer, pool: Pool): void {
  app.get('/v1/limits', { schema: list }, async ({ query: { scope, cursor: after, limit } }) => {
    const limits = await listLimits(pool, { scope, after, limit: limit + 1 });
    const page = limits.slice(0, limit);
    const last = limits.length > limit ? page.at(-1) : undefined;
    return { limits: page.map(limitToJson), next_cursor: last ? toCursor(last) : null };
  });

  app.put('/v1/limits/:scope/:subject', { schema: put }, async ({ params, body: { at_most: atMost } }) => {
    const key = toKey(params);
    if (key.subject === null && atMost === null) {
      const detail = 'Remove the limit of default instead: then no limit holds for those that have none of their own.';
      throw new ProblemError(422, 'limit_missing', detail);
    }
    return limitToJson(await setLimit(pool, key, atMost));
  });

  app.delete('/v1/limits/:scope/:subject', { schema: remove }, async ({ params }) => {
    const removed = await removeLimit(pool, toKey(params));
    if (!removed) throw notFound(`limit of the ${params.scope} ${params.subject}`);
    return limitToJson(removed);
  });
}
