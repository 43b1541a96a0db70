import type { FastifyRequest } from 'fastify';

/** Trace of the request (https://www.w3.org/TR/trace-context/), to which the events that it causes belong. */
export function traceOf({ raw }: Pick<FastifyRequest, 'raw'>): string | undefined {
  const { traceparent } = raw.headers;
  return typeof traceparent === 'string' ? traceparent : undefined;
}
