import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors, isResponseSerializationError } from 'fastify-type-provider-zod';
import { errorMessage } from '../../supervision/errors.ts';
import { isUnavailable } from './is-unavailable.ts';
import { methodsOf } from './known-paths.ts';
import { notFound, problemMediaType, ProblemError } from './problem.ts';
import type { RateLimit } from './rate-limit.ts';

/** Answers every error with a problem (RFC 9457), and logs those of the server. */
export function answerError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const answer = toProblem(error);
  if (answer.status >= 500) {
    const { cause } = error;
    request.log.error(
      {
        error: errorMessage(error),
        ...(cause !== undefined && { cause: errorMessage(cause) }),
        url: request.url,
        stack: error.stack,
      },
      'a request failed',
    );
  }
  if (answer.status === 401) reply.header('www-authenticate', 'Bearer');
  const { retryAfterSeconds, headers = {} } = answer.options;
  if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds);
  reply.headers(headers);
  reply.status(answer.status).type(problemMediaType).send(JSON.stringify(answer.toBody()));
}

/** Answers 404 or 405 before the body is read. Such requests count towards the rate limit. */
export function answerUnknownPaths(app: FastifyInstance, rateLimit: RateLimit): void {
  const pathOf = (url: string): string => url.split('?')[0] ?? url;
  app.addHook('preParsing', async (request, reply) => {
    if (!request.is404) return;
    await rateLimit.once(request, reply);
    const path = pathOf(request.url);
    const methods = methodsOf(app, path);
    if (methods.length === 0) throw notFound(path);
    reply.header('allow', methods.join(', '));
    throw new ProblemError(
      405,
      'method_not_allowed',
      `${path} supports ${methods.join(', ')}, but not ${request.method}.`,
    );
  });
  // A route may find that its resource does not exist, such as a file.
  app.setNotFoundHandler(async (request) => {
    await rateLimit.unlimited(request);
    throw notFound(pathOf(request.url));
  });
}

function toProblem(error: FastifyError): ProblemError {
  if (error instanceof ProblemError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const place = error.validationContext ?? 'request';
    const errors = error.validation.map(({ instancePath, message }) => ({
      path: [place, ...instancePath.split('/').filter(Boolean)].join('.'),
      message: message ?? 'is not valid',
    }));
    const detail = errors.map(({ path, message }) => `${path}: ${message}`).join('; ');
    return new ProblemError(400, 'invalid_request', detail, { errors, cause: error });
  }
  if (isUnavailable(error)) {
    return new ProblemError(503, 'unavailable', 'A server that this one depends on is unavailable. Try again.', {
      cause: error,
      retryAfterSeconds: 5,
    });
  }
  const { statusCode = 500, code } = error;
  if (statusCode === 415) {
    // https://www.rfc-editor.org/rfc/rfc9110#section-15.5.16
    const headers = { accept: 'application/json', 'accept-encoding': 'identity' };
    const detail = 'The body must be JSON, sent as application/json without a content coding.';
    return new ProblemError(415, toCode(code, statusCode), detail, { cause: error, headers });
  }
  if (statusCode < 500 && !isResponseSerializationError(error)) {
    return new ProblemError(statusCode, toCode(code, statusCode), error.message, { cause: error });
  }
  return new ProblemError(500, 'internal', 'The server failed. Its log has the details.', { cause: error });
}

/** e.g. `FST_ERR_CTP_BODY_TOO_LARGE` → `body_too_large` */
function toCode(code: string | undefined, status: number): string {
  if (status === 429) return 'too_many_requests';
  return code?.replace(/^FST_(ERR_)?(CTP_)?/, '').toLowerCase() ?? 'invalid_request';
}
