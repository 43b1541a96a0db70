import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import type { ResponseHeaders } from './open-api.ts';

export const problemMediaType = 'application/problem+json';

/** The form of every error (RFC 9457). `type` is always `about:blank`, which makes `title` the name of the status. */
export const problem = z
  .object({
    type: z.literal('about:blank'),
    title: z.string().meta({ description: 'Name of the status.' }),
    status: z.int().min(400).max(599),
    detail: z.string().meta({ description: 'What is wrong and what to do about it, for a person.' }),
    code: z.string().meta({ description: 'What is wrong, for a program.' }),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .meta({
        description: 'Every fault of the request, if it can have several. `path` is, for example, `body.config`.',
      }),
  })
  .meta({ id: 'Problem', description: 'An error (RFC 9457).' });
export type Problem = z.infer<typeof problem>;

export interface ProblemOptions extends ErrorOptions {
  errors?: Problem['errors'];
  /** Sent as `Retry-After`: the request may succeed after so many seconds. */
  retryAfterSeconds?: number | undefined;
  headers?: Readonly<Record<string, string>>;
}

/** A route throws this error to answer the request with a problem. */
export class ProblemError extends Error {
  override name = 'ProblemError';
  readonly status: number;
  readonly code: string;
  readonly options: ProblemOptions;

  constructor(status: number, code: string, detail: string, options: ProblemOptions = {}) {
    super(detail, options);
    this.status = status;
    this.code = code;
    this.options = options;
  }

  toBody(): Problem {
    return {
      type: 'about:blank',
      title: STATUS_CODES[this.status] ?? 'Error',
      status: this.status,
      detail: this.message,
      code: this.code,
      ...(this.options.errors && { errors: this.options.errors }),
    };
  }
}

/** For a resource that does not exist, and for one that the caller may not see: a 403 would reveal that it exists. */
export function notFound(what: string): ProblemError {
  return new ProblemError(404, 'not_found', `There is no ${what}.`);
}

const inWords: Readonly<Record<number, string>> = {
  400: 'The request does not match its schema.',
  401: 'The token is missing or not valid.',
  403: 'The token does not permit this.',
  404: 'The resource does not exist, or belongs to another user.',
  409: 'The resource is in a state that does not allow this.',
  413: 'The body is too large.',
  414: 'A parameter of the path is too long.',
  415: 'The body must be JSON in UTF-8, without a content coding.',
  422: 'The request is well-formed, but cannot be carried out.',
  429: 'Too many requests. `Retry-After` gives the time to wait.',
  500: 'The server failed.',
  503: 'A server that this one depends on is unavailable. Try again.',
};

const retryAfter: ResponseHeaders = { 'retry-after': { type: 'integer', description: 'Seconds to wait.' } };
const headers: Readonly<Record<number, ResponseHeaders>> = {
  401: { 'www-authenticate': { type: 'string', description: 'Always `Bearer`.' } },
  415: { 'accept-encoding': { type: 'string', description: '`identity`: no content coding is accepted.' } },
  429: retryAfter,
  503: retryAfter,
};

/** For the `schema.response` of a route: the problems that every route can answer with, and the given statuses. */
export function problems(...further: number[]) {
  const statuses = [400, 401, 403, 413, 414, 415, 429, 500, 503, ...further];
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      {
        description: inWords[status] ?? 'An error.',
        headers: headers[status],
        content: { [problemMediaType]: { schema: problem } },
      },
    ]),
  );
}
