import type { FastifyInstance } from 'fastify';

/** Asks for a body that a client holds back (`Expect: 100-continue`) once its token is checked: to be registered after that. */
export function continueWhenAllowed(app: FastifyInstance, bodyLimitBytes: number): void {
  // Without a listener, Node.js asks for the body before anybody has looked at the request.
  app.server.on('checkContinue', (request, response) => app.server.emit('request', request, response));
  app.addHook('preParsing', async ({ headers }, { raw }) => {
    const isHeldBack = headers.expect?.toLowerCase() === '100-continue';
    if (isHeldBack && !(Number(headers['content-length']) > bodyLimitBytes)) raw.writeContinue();
  });
}
