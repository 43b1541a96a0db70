import type { FastifyInstance } from 'fastify';

/** @returns what tells the methods by which a path can be asked: none when there is no such path */
export function collectPaths(app: FastifyInstance): (path: string) => string[] {
  const methodsOf = new Map<string, { pattern: RegExp; methods: Set<string> }>();
  app.addHook('onRoute', ({ url, method }) => {
    // Preflights of other origins are answered for every path there might be.
    if (url === '*') return;
    const known = methodsOf.get(url) ?? { pattern: toPattern(url), methods: new Set() };
    for (const each of [method].flat()) known.methods.add(each);
    methodsOf.set(url, known);
  });
  return (path) => {
    const fitting = [...methodsOf.values()].filter(({ pattern }) => pattern.test(path));
    return [...new Set(fitting.flatMap(({ methods }) => [...methods]))].toSorted();
  };
}

/** e.g. `/v1/instances/:id/stop`, `/assets/*` */
function toPattern(url: string): RegExp {
  const literal = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const parts = url.split('/').map((part) => (part.startsWith(':') ? '[^/]+' : part === '*' ? '.*' : literal(part)));
  return new RegExp(`^${parts.join('/')}$`);
}
