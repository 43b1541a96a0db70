import type { FastifyInstance } from 'fastify';

const everyMs = 50;

/** A connection whose last request is answered while the server closes would be kept open for further ones, and hold the close up. */
export function endIdleConnections(app: FastifyInstance): void {
  app.addHook('preClose', async () => {
    const timer = setInterval(() => app.server.closeIdleConnections(), everyMs);
    app.server.once('close', () => clearInterval(timer));
    timer.unref();
  });
}
