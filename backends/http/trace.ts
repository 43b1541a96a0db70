import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import { startRequestSpan, type RequestSpan } from '../../tracing/trace.ts';

const spans = new WeakMap<IncomingMessage, RequestSpan>();

/** Makes each request a span, where traces are wanted. A WebSocket has none, because it lasts. */
export function traceRequests(app: FastifyInstance): void {
  app.addHook('onRequest', async ({ raw, method, routeOptions, is404 }) => {
    if (raw.headers.upgrade !== undefined) return;
    const route = is404 ? '(none)' : (routeOptions.url ?? '(none)');
    const span = startRequestSpan(headerOf(raw), { 'http.request.method': method, 'http.route': route });
    if (span) spans.set(raw, span);
  });
  app.addHook('onResponse', async ({ raw }, { statusCode }) => spans.get(raw)?.end(statusCode));
}

/** Trace of the request (https://www.w3.org/TR/trace-context/), to which the events that it causes belong. */
export function traceOf({ raw }: Pick<FastifyRequest, 'raw'>): string | undefined {
  return spans.get(raw)?.traceparent ?? headerOf(raw);
}

function headerOf({ headers: { traceparent } }: IncomingMessage): string | undefined {
  return typeof traceparent === 'string' ? traceparent : undefined;
}
