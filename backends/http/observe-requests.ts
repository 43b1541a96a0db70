import type { FastifyInstance } from 'fastify';
import { requestSeconds } from '../../metrics/http.ts';

/** Measures every request that is answered, but for those of WebSockets, which last. */
export function observeRequests(app: FastifyInstance): void {
  app.addHook('onResponse', async (request, reply) => {
    const { method, routeOptions, is404, raw } = request;
    if (raw.headers.upgrade !== undefined) return;
    const route = is404 ? '(none)' : (routeOptions.url ?? '(none)');
    requestSeconds.observe({ method: knownMethod(method), route, status: reply.statusCode }, reply.elapsedTime / 1_000);
  });
}

const methods = new Set(['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE', 'OPTIONS']);

/** Clients may send any method. */
function knownMethod(method: string): string {
  return methods.has(method) ? method : '(other)';
}
