import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyInstance {
    /** Methods of every route by its path, e.g. `/v1/instances/:id`. */
    knownPaths: ReadonlyMap<string, ReadonlySet<string>>;
  }
}

/** Collects the routes that are added after this call. */
export function noteKnownPaths(app: FastifyInstance): void {
  const paths = new Map<string, Set<string>>();
  app.decorate('knownPaths', paths);
  app.addHook('onRoute', ({ url, method }) => {
    // The CORS plugin adds a route for the preflights of all paths.
    if (url === '*') return;
    paths.set(url, new Set([...(paths.get(url) ?? []), ...[method].flat()]));
  });
}

/** The methods that a path supports; empty if there is no such path. */
export function methodsOf({ knownPaths }: FastifyInstance, path: string): string[] {
  const fitting = [...knownPaths].filter(([url]) => toPattern(url).test(path));
  return [...new Set(fitting.flatMap(([, methods]) => [...methods]))].toSorted();
}

/** @param url e.g. `/v1/instances/:id/stop` or `/assets/*` */
function toPattern(url: string): RegExp {
  const literal = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const parts = url.split('/').map((part) => (part.startsWith(':') ? '[^/]+' : part === '*' ? '.*' : literal(part)));
  return new RegExp(`^${parts.join('/')}$`);
}
