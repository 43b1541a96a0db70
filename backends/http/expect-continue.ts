import type { FastifyInstance } from 'fastify';

/** Asks a client for the body that it holds back (`Expect: 100-continue`). Register it after the check of the token. */
export function continueWhenAllowed(app: FastifyInstance, bodyLimitBytes: number): void {
  // Without a listener, Node.js asks for the body before any hook has run.
  app.server.on('checkContinue', (request, response) => app.server.emit('request', request, response));
  app.addHook('preParsing', async ({ headers }, { raw }) => {
    const isHeldBack = headers.expect?.toLowerCase() === '100-continue';
    if (isHeldBack && !(Number(headers['content-length']) > bodyLimitBytes)) raw.writeContinue();
  });
}
