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
import { readIdentity, requireAccess, type Access } from './access.ts';
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
import { observeRequests } from './observe-requests.ts';
import { traceRequests } from './trace.ts';
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
  /** Who may call the routes that declare no `access` of their own. */
  access?: Access;
  /** Other origins whose pages may call this server; none by default. */
  allowedOrigins?: readonly string[];
  /** Limit for one user, or for one address if the token is not valid. */
  requestsPerMinute?: number;
  /** Limit of one body. The largest config of an instance has 4 MiB. */
  bodyLimitBytes?: number;
  /** Addresses of the proxies whose `X-Forwarded-For` is trusted. */
  trustedProxies?: readonly string[];
  limits?: Partial<ConnectionLimits>;
  /** Further origins that the page of this server may connect to. */
  connectTo?: readonly string[];
}

/**
 * Creates a server with everything that our HTTP interfaces share: tokens, limits, security headers, problems (RFC 9457), and
 * an OpenAPI 3.1 document at `/openapi.json`, generated from the schemas that validate requests and answers.
 */
export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { title, description, logger, verifyToken, allowedOrigins = [], trustedProxies = [], connectTo = [] } = options;
  const { access = 'user', requestsPerMinute = 600, bodyLimitBytes = 5 * 1024 * 1024 } = options;
  const loggerInstance: FastifyBaseLogger = logger;
  const limits = { ...connectionLimits, ...options.limits };
  let rateLimit: RateLimit | undefined;
  /** A request that cannot be routed passes no hook, so its rate limit and its end are handled here. */
  const answerUnrouted = async (...[error, request, reply]: Parameters<typeof answerError>): Promise<void> => {
    // Nobody else ends the connection of a refused upgrade.
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
    // Requests that have begun are answered first. So are those on connections that were accepted before: a load balancer sends a request
    // to another replica only if a connection is refused.
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    frameworkErrors: (...unrouted) => void answerUnrouted(...unrouted),
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(answerError);
  readJsonBodies(app);
  noteKnownPaths(app);
  endIdleConnections(app);
  observeRequests(app);
  traceRequests(app);

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
  // The CORS plugin answers preflights before the hooks of routes, which count requests.
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
  requireAccess(app, access);
  answerUnknownPaths(app, rateLimit);
  requirePlainBodies(app);
  continueWhenAllowed(app, bodyLimitBytes);

  await app.register(swagger, openApi({ title, description }));
  app.get('/openapi.json', { config: { access: 'public' }, schema: { hide: true } }, () => app.swagger());
  return app;
}
