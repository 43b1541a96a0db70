import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HttpServer } from '../../backends/http/server.ts';
import { signToken } from './tokens.ts';

export interface AccessCase {
  /** What is answered to a caller without a token, to another user than the owner, to the owner, and to an admin. */
  statuses: readonly [nobody: number, stranger: number, owner: number, admin: number];
  json?: (params: Record<string, string>) => object;
}

export interface AccessOptions {
  /** The server of a backend, which need not listen. */
  open: () => Promise<HttpServer>;
  close: () => Promise<unknown>;
  /** Anew for each request: something that the owner owns, by the names of the parameters of paths (`id`, `*`). */
  prepare: (ownerId: string) => Promise<Record<string, string>>;
  /** Whether what was prepared is as it was: who is refused may change nothing. */
  isUntouched: (params: Record<string, string>) => Promise<boolean>;
  /** By `METHOD /path`, each route once; HEAD is as GET. */
  table: Readonly<Record<string, AccessCase>>;
}

const callers = ['nobody', 'another user', 'the owner', 'an admin'] as const;

/** Tries every route of a backend as everybody there is. A route that the table lacks is a failure. */
export function describeAccess(name: string, { open, close, prepare, isUntouched, table }: AccessOptions): void {
  describe(`access to ${name}`, () => {
    let app: HttpServer;
    const ownerId = randomUUID();
    beforeAll(async () => {
      app = await open();
      await app.ready();
    });
    afterAll(async () => {
      await app?.close();
      await close();
    });

    test('is said of every route, and of none that there is not', () => {
      const routes = [...app.knownPaths].flatMap(([path, methods]) =>
        [...methods].filter((method) => method !== 'HEAD').map((method) => `${method} ${path}`),
      );
      expect(Object.keys(table).toSorted()).toEqual(routes.toSorted());
    });

    const cases = Object.entries(table).flatMap(([route, { statuses, json }]) =>
      callers.flatMap((caller, index) => {
        const [method = '', path = ''] = route.split(' ');
        const status = statuses[index] ?? 0;
        const methods = method === 'GET' ? ['GET', 'HEAD'] : [method];
        return methods.map((each) => ({ method: each, path, caller, status, json }));
      }),
    );
    test.each(cases)('$method $path as $caller: $status', async ({ method, path, caller, status, json }) => {
      const params = await prepare(ownerId);
      const token = await tokenOf(caller, ownerId);
      const answer = await app.inject({
        method: method as 'GET',
        url: path.replaceAll(/:(\w+)|\*/g, (all, param: string | undefined) => params[param ?? all] ?? 'missing'),
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        ...(json && { payload: json(params) }),
      });
      const harmless = status < 400 || (await isUntouched(params));
      expect({ status: answer.statusCode, body: answer.body, harmless }).toMatchObject({ status, harmless: true });
    });
  });
}

async function tokenOf(caller: (typeof callers)[number], ownerId: string): Promise<string | undefined> {
  switch (caller) {
    case 'nobody':
      return undefined;
    case 'another user':
      return signToken({ userId: randomUUID(), roles: ['Admin', 'user'] });
    case 'the owner':
      return signToken({ userId: ownerId });
    case 'an admin':
      return signToken({ userId: randomUUID(), roles: ['admin'] });
  }
}
