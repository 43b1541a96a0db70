import type { FastifyInstance } from 'fastify';

const everyMs = 50;

/** Closes connections that become idle while the server closes. They would otherwise stay open and delay the close. */
export function endIdleConnections(app: FastifyInstance): void {
  app.addHook('preClose', async () => {
    const timer = setInterval(() => app.server.closeIdleConnections(), everyMs);
    app.server.once('close', () => clearInterval(timer));
    timer.unref();
  });
}
