import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemError } from './problem.ts';
import { InvalidToken, type Identity, type VerifyToken } from './tokens.ts';

/** Who may call a route. Left out, it is `user`: whoever has a valid token. */
export type Access = 'public' | 'user' | 'admin';

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
    /** Not counted towards the limit on the rate: files of a page, of which there are dozens. */
    unlimited?: boolean;
  }
  interface FastifyRequest {
    /** Undefined without a valid token. */
    identity: Identity | undefined;
    /** Why there is no identity. */
    identityProblem: unknown;
  }
}

/** Reads the token of each request. Whether it is needed is decided by `requireAccess`. */
export function readIdentity(app: FastifyInstance, verifyToken: VerifyToken): void {
  app.decorateRequest('identity', undefined);
  app.decorateRequest('identityProblem', undefined);
  app.addHook('onRequest', async (request) => {
    const token = tokenOf(request);
    if (token === undefined) return;
    try {
      request.identity = await verifyToken(token);
    } catch (error) {
      request.identityProblem = error;
    }
  });
}

/** Before a body is read, but after the limit on the rate, which is a hook `onRequest` of each route: guesses count, too. */
export function requireAccess(app: FastifyInstance): void {
  app.addHook('preParsing', async (request) => {
    const { access = 'user' } = request.routeOptions.config;
    if (access === 'public' || request.is404) return;
    const identity = identityOf(request);
    if (access === 'admin' && !identity.isAdmin) {
      throw new ProblemError(403, 'forbidden', 'This is for admins: the token needs the role admin.');
    }
  });
}

/** @throws ProblemError when the request has no valid token */
export function identityOf({ identity, identityProblem }: FastifyRequest): Identity {
  if (identity) return identity;
  if (identityProblem === undefined) {
    throw new ProblemError(401, 'no_token', 'A token is required: Authorization: Bearer <token>.');
  }
  if (identityProblem instanceof InvalidToken) {
    throw new ProblemError(401, 'invalid_token', identityProblem.message, { cause: identityProblem });
  }
  throw new ProblemError(503, 'keys_unavailable', 'Tokens cannot be checked just now. Try again.', {
    cause: identityProblem,
    retryAfterSeconds: 5,
  });
}

const subprotocolPrefix = 'bearer.';

/** A browser's WebSocket can send no header of its own, but names subprotocols: the token is one of them. */
function tokenOf({ headers }: FastifyRequest): string | undefined {
  const { authorization, 'sec-websocket-protocol': protocols } = headers;
  const bearer = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  if (bearer !== undefined || protocols === undefined) return bearer;
  const offered = protocols.split(',').map((protocol) => protocol.trim());
  return offered.find((protocol) => protocol.startsWith(subprotocolPrefix))?.slice(subprotocolPrefix.length);
}
