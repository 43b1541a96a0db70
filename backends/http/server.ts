import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import swagger from '@fastify/swagger';
import fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type RawServerDefault,
} from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import { readIdentity, requireAccess } from './access.ts';
import { answerError, answerUnknownPaths } from './answer-errors.ts';
import {
  answerClientError,
  connectionLimits,
  createLimitedServer,
  type ConnectionLimits,
} from './connection-limits.ts';
import { endIdleConnections } from './end-idle-connections.ts';
import { continueWhenAllowed } from './expect-continue.ts';
import { readJsonBodies, requirePlainBodies } from './json-body.ts';
import { noteKnownPaths } from './known-paths.ts';
import { openApi, type DocumentInfo } from './open-api.ts';
import { limitRate, type RateLimit } from './rate-limit.ts';
import type { VerifyToken } from './tokens.ts';

export type HttpServer = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** `title` and `description` are those of the OpenAPI document. */
export interface HttpServerOptions extends DocumentInfo {
  logger: Logger;
  verifyToken: VerifyToken;
  /** Pages of which other origins may call: none unless told otherwise. */
  allowedOrigins?: readonly string[];
  /** Requests of one user, or of one address without a valid token. */
  requestsPerMinute?: number;
  /** Of a body; the largest config of an instance is 4 MiB. */
  bodyLimitBytes?: number;
  /** Addresses of proxies whose `X-Forwarded-For` is believed. */
  trustedProxies?: readonly string[];
  /** What one connection may take. */
  limits?: Partial<ConnectionLimits>;
  /** Further places that a page served from here may connect to. */
  connectTo?: readonly string[];
}

/**
 * A server with what every one of our HTTP interfaces has: tokens, limits, security headers, problems (RFC 9457), and an
 * OpenAPI 3.1 document at `/openapi.json` that is made of the same schemas by which requests and answers are checked.
 */
export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { title, description, logger, verifyToken, allowedOrigins = [], trustedProxies = [], connectTo = [] } = options;
  const { requestsPerMinute = 600, bodyLimitBytes = 5 * 1024 * 1024 } = options;
  const loggerInstance: FastifyBaseLogger = logger;
  const limits = { ...connectionLimits, ...options.limits };
  let rateLimit: RateLimit | undefined;
  /** A request whose address cannot be routed has passed no hook. */
  const answerUnrouted = async (...[error, request, reply]: Parameters<typeof answerError>): Promise<void> => {
    // After a refused upgrade nobody would end the connection.
    if (request.headers.upgrade !== undefined) reply.raw.once('finish', () => request.raw.socket.end());
    try {
      await rateLimit?.once(request, reply);
      answerError(error, request, reply);
    } catch (refusal) {
      answerError(refusal as FastifyError, request, reply);
    }
  };
  const app = fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: bodyLimitBytes,
    serverFactory: (handle) => createLimitedServer(limits, handle),
    clientErrorHandler: answerClientError,
    trustProxy: trustedProxies.length > 0 ? [...trustedProxies] : false,
    // What is in hand is answered first.
    forceCloseConnections: 'idle',
    frameworkErrors: (...unrouted) => void answerUnrouted(...unrouted),
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(answerError);
  readJsonBodies(app);
  noteKnownPaths(app);
  endIdleConnections(app);

  await app.register(helmet, {
    contentSecurityPolicy: {
      directives: {
        defaultSrc: ["'self'"],
        connectSrc: ["'self'", ...connectTo],
        upgradeInsecureRequests: null,
      },
    },
  });
  readIdentity(app, verifyToken);
  rateLimit = await limitRate(app, requestsPerMinute);
  const { once } = rateLimit;
  // The plugin below answers preflights before the hooks of routes.
  app.addHook('onRequest', async (request, reply) => (request.method === 'OPTIONS' ? once(request, reply) : undefined));
  if (allowedOrigins.length > 0) {
    await app.register(cors, {
      origin: [...allowedOrigins],
      methods: ['GET', 'POST', 'PATCH', 'PUT', 'DELETE'],
      exposedHeaders: ['location', 'retry-after', 'idempotency-replayed'],
      strictPreflight: false,
      maxAge: 600,
    });
  }
  requireAccess(app);
  answerUnknownPaths(app, rateLimit);
  requirePlainBodies(app);
  continueWhenAllowed(app, bodyLimitBytes);

  await app.register(swagger, openApi({ title, description }));
  app.get('/openapi.json', { config: { access: 'public' }, schema: { hide: true } }, () => app.swagger());
  return app;
}
