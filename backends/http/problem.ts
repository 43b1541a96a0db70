import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import type { ResponseHeaders } from './open-api.ts';

export const problemMediaType = 'application/problem+json';

/** Every error of the HTTP interfaces (RFC 9457). `type` is always `about:blank`, so that `title` is the status in words. */
export const problem = z
  .object({
    type: z.literal('about:blank'),
    title: z.string().meta({ description: 'The status in words.' }),
    status: z.int().min(400).max(599),
    detail: z.string().meta({ description: 'What is wrong and what to do, for a person.' }),
    code: z.string().meta({ description: 'What is wrong, for a program.' }),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .meta({ description: 'Each fault of the request, where there may be several; `path` as in `body.config`.' }),
  })
  .meta({ id: 'Problem', description: 'An error (RFC 9457).' });
export type Problem = z.infer<typeof problem>;

export interface ProblemOptions extends ErrorOptions {
  errors?: Problem['errors'];
  /** Seconds after which the request may succeed: the header `Retry-After`. */
  retryAfterSeconds?: number | undefined;
  /** Further headers of the answer. */
  headers?: Readonly<Record<string, string>>;
}

/** Answers the request with a problem. */
export class ProblemError extends Error {
  override name = 'ProblemError';
  readonly status: number;
  readonly code: string;
  readonly errors: Problem['errors'];
  readonly retryAfterSeconds: number | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, detail: string, options: ProblemOptions = {}) {
    super(detail, options);
    this.status = status;
    this.code = code;
    this.errors = options.errors;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.headers = options.headers ?? {};
  }

  toBody(): Problem {
    return {
      type: 'about:blank',
      title: STATUS_CODES[this.status] ?? 'Error',
      status: this.status,
      detail: this.message,
      code: this.code,
      ...(this.errors && { errors: this.errors }),
    };
  }
}

/** For a thing that is not there, or that the caller may not see: the two must not be told apart. */
export function notFound(what: string): ProblemError {
  return new ProblemError(404, 'not_found', `There is no ${what}.`);
}

const inWords: Readonly<Record<number, string>> = {
  400: 'The request is not of the documented form.',
  401: 'The token is missing or not valid.',
  403: 'The token does not allow this.',
  404: 'It does not exist, or belongs to somebody else.',
  409: 'It is not in a state that allows this.',
  413: 'The body is too large.',
  415: 'The body is not JSON in UTF-8 without a content coding.',
  422: 'The request is understood but cannot be done.',
  429: 'Too many requests; `Retry-After` says when to go on.',
  500: 'A fault of the server.',
  503: 'A server behind this one is away; try again.',
};

const retryAfter: ResponseHeaders = { 'retry-after': { type: 'integer', description: 'Seconds to wait.' } };
const headers: Readonly<Record<number, ResponseHeaders>> = {
  401: { 'www-authenticate': { type: 'string', description: 'Always `Bearer`.' } },
  415: { 'accept-encoding': { type: 'string', description: '`identity`: no content coding is accepted.' } },
  429: retryAfter,
  503: retryAfter,
};

/** What every route may answer with, and the given statuses on top, for its `schema.response`. */
export function problems(...further: number[]) {
  const statuses = [400, 401, 403, 413, 415, 429, 500, 503, ...further];
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
