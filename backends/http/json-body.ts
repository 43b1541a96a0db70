import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { ProblemError } from './problem.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The JSON of the body as it was sent, for PostgreSQL to read: JavaScript would change its larger numbers. Empty without a body. */
    bodyText: string;
  }
}

const { FST_ERR_CTP_INVALID_JSON_BODY: InvalidJson } = fastify.errorCodes;

/** JSON is the only kind of body. One that is empty is none, whatever its content type says. */
export function readJsonBodies(app: FastifyInstance): void {
  app.decorateRequest('bodyText', '');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) => {
    request.bodyText = decode(body);
    if (request.bodyText === '') return undefined;
    try {
      // A member named __proto__ is one like any other: nothing is merged with it.
      return JSON.parse(request.bodyText) as unknown;
    } catch {
      throw new InvalidJson();
    }
  });
}

function decode(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (error) {
    throw new ProblemError(400, 'invalid_json_body', 'The body is not valid UTF-8.', { cause: error });
  }
}
