import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { identityOf } from '../../backends/http/access.ts';
import { problems } from '../../backends/http/problem.ts';
import { createHttpServer, type HttpServer, type HttpServerOptions } from '../../backends/http/server.ts';
import { createTokenVerifier } from '../../backends/http/tokens.ts';
import { tokenSettings } from './tokens.ts';

/** A server with a few routes, and nothing behind it; closed when the test ends. `log` collects what it says. */
export async function createTestServer(
  options: Partial<HttpServerOptions> = {},
  log: string[] = [],
): Promise<HttpServer> {
  const app = await createHttpServer({
    title: 'test',
    description: 'Of the tests.',
    logger: pino({}, { write: (line: string) => void log.push(line) }),
    verifyToken: createTokenVerifier({
      key: { secret: tokenSettings.JWT_SECRET },
      issuer: undefined,
      audience: 'instance-engine',
    }),
    ...options,
  });
  onTestFinished(() => app.close());
  const body = z.strictObject({ name: z.string(), config: z.unknown().optional() });
  const seen = z.object({ name: z.string(), text: z.string() });
  app.get('/public', { config: { access: 'public' } }, () => ({ ok: true }));
  app.get('/file', { config: { access: 'public', unlimited: true } }, () => ({ ok: true }));
  app.get('/files/:name', { config: { access: 'public', unlimited: true } }, (_, reply) => reply.callNotFound());
  app.get('/user', () => ({ ok: true }));
  app.get('/me', (request) => ({ expires_at: identityOf(request).expiresAt.toISOString() }));
  app.get('/admin', { config: { access: 'admin' } }, () => ({ ok: true }));
  app.post('/things/:id', { schema: { body, response: { 200: seen, ...problems() } } }, async (request) => ({
    name: request.body.name,
    text: request.bodyText,
  }));
  app.post('/nothing', () => ({ ok: true }));
  app.get('/fault', { config: { access: 'public' } }, () => {
    throw new TypeError('a secret of the inside');
  });
  app.get(
    '/wrong',
    { config: { access: 'public' }, schema: { response: { 200: seen } } },
    () => ({ name: 'x' }) as never,
  );
  return app;
}
