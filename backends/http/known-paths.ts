import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyInstance {
    /** Every route: its methods by its path as it was given, e.g. `/v1/instances/:id`. */
    knownPaths: ReadonlyMap<string, ReadonlySet<string>>;
  }
}

/** Takes note of the routes that come after it. */
export function noteKnownPaths(app: FastifyInstance): void {
  const paths = new Map<string, Set<string>>();
  app.decorate('knownPaths', paths);
  app.addHook('onRoute', ({ url, method }) => {
    // Preflights of other origins are answered for every path there might be.
    if (url === '*') return;
    paths.set(url, new Set([...(paths.get(url) ?? []), ...[method].flat()]));
  });
}

/** The methods by which a path can be asked: none when there is no such path. */
export function methodsOf({ knownPaths }: FastifyInstance, path: string): string[] {
  const fitting = [...knownPaths].filter(([url]) => toPattern(url).test(path));
  return [...new Set(fitting.flatMap(([, methods]) => [...methods]))].toSorted();
}

/** e.g. of `/v1/instances/:id/stop` or `/assets/*` */
function toPattern(url: string): RegExp {
  const literal = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const parts = url.split('/').map((part) => (part.startsWith(':') ? '[^/]+' : part === '*' ? '.*' : literal(part)));
  return new RegExp(`^${parts.join('/')}$`);
}
