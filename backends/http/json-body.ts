import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { ProblemError } from './problem.ts';
import { writtenOutBytes } from './written-out.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The JSON of the body as it was sent. PostgreSQL parses it, because JavaScript would round long numbers. Empty without a body. */
    bodyText: string;
  }
}

const { FST_ERR_CTP_INVALID_JSON_BODY: InvalidJson } = fastify.errorCodes;

/** Accepts bodies of uncompressed JSON in UTF-8 only. An empty body counts as no body, whatever its content type. */
export function readJsonBodies(app: FastifyInstance): void {
  app.decorateRequest('bodyText', '');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) => {
    if (body.length === 0) return undefined;
    request.bodyText = decode(body);
    const parsed = parse(request.bodyText);
    const { bodyLimit = Infinity } = app.initialConfig;
    if (writtenOutBytes(request.bodyText) > bodyLimit) {
      throw new ProblemError(
        413,
        'body_too_large',
        `The body has more than ${bodyLimit} bytes once its numbers are written without exponents: write them as texts.`,
      );
    }
    return parsed;
  });
}

/** Refuses before the body is read. Register it after `requireAccess`, so that the token is checked first. */
export function requirePlainBodies(app: FastifyInstance): void {
  app.addHook('preParsing', async ({ headers }) => {
    const codings = codingsIn(headers['content-encoding'], headers['transfer-encoding']);
    if (codings.length > 0) {
      throw new ProblemError(
        415,
        'unsupported_content_encoding',
        `Bodies are read as they are, and not decoded from ${codings.join(', ')}: send the JSON without Content-Encoding.`,
        { headers: { 'accept-encoding': 'identity' } },
      );
    }
    const charset = charsetIn(headers['content-type']);
    if (charset !== undefined && !utf8.has(charset)) {
      throw new ProblemError(415, 'unsupported_charset', `JSON is read as UTF-8, and not as ${charset}.`, {
        headers: { accept: 'application/json', 'accept-encoding': 'identity' },
      });
    }
  });
}

/** The codings that would have to be decoded: `identity` (RFC 9110) is none, and Node.js decodes `chunked` (RFC 9112). */
function codingsIn(contentEncoding: string | undefined, transferEncoding: string | undefined): string[] {
  const list = (value = ''): string[] => value.split(',').map((coding) => coding.trim().toLowerCase());
  const further = list(transferEncoding).filter((coding) => coding !== 'chunked');
  return [...list(contentEncoding), ...further].filter((coding) => coding !== '' && coding !== 'identity');
}

const utf8 = new Set(['utf-8', 'utf8', 'us-ascii']);

function charsetIn(contentType = ''): string | undefined {
  return /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(contentType)?.[1]?.toLowerCase();
}

function parse(text: string): unknown {
  try {
    // A member named __proto__ does no harm, because nothing merges the object into another.
    return JSON.parse(text);
  } catch {
    throw new InvalidJson();
  }
}

function decode(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (error) {
    throw new ProblemError(400, 'invalid_json_body', 'The body is not valid UTF-8.', { cause: error });
  }
}
