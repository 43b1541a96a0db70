import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemError } from './problem.ts';
import { InvalidToken, type Identity, type VerifyToken } from './tokens.ts';

/** Who may call a route: everybody, everybody with a valid token, or everybody whose token has the role admin. */
export type Access = 'public' | 'user' | 'admin';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Left out, it is the `access` of the server. */
    access?: Access;
    /** Requests do not count towards the rate limit. Loading a page takes dozens of files. */
    unlimited?: boolean;
  }
  interface FastifyRequest {
    /** Undefined if the request has no valid token. */
    identity: Identity | undefined;
    /** The error of the verification, if the token is not valid. */
    identityProblem: unknown;
  }
}

/** Reads the token of each request. `requireAccess` decides whether the route needs one. */
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

/**
 * Refuses before the body is read, but after the rate limit, a hook `onRequest` of each route: guessed tokens count, too.
 *
 * @param serverAccess for routes that declare no `access`
 */
export function requireAccess(app: FastifyInstance, serverAccess: Access): void {
  app.addHook('preParsing', async (request) => {
    const { access = serverAccess } = request.routeOptions.config;
    if (access === 'public' || request.is404) return;
    const identity = identityOf(request);
    if (access === 'admin' && !identity.isAdmin) {
      throw new ProblemError(403, 'forbidden', 'Only admins may do this: the token needs the role admin.');
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

/** A WebSocket of a browser cannot set headers, but it can name subprotocols. The token is sent as one of them. */
function tokenOf({ headers }: FastifyRequest): string | undefined {
  const { authorization, 'sec-websocket-protocol': protocols } = headers;
  const bearer = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  if (bearer !== undefined || protocols === undefined) return bearer;
  const offered = protocols.split(',').map((protocol) => protocol.trim());
  return offered.find((protocol) => protocol.startsWith(subprotocolPrefix))?.slice(subprotocolPrefix.length);
}
