import { z } from 'zod';
import { runtimeNames, runtimeSettings } from '../runtimes/registry.ts';

export const urlOf = (schemes: RegExp, example: string) =>
  z
    .string(`is required, e.g. ${example}`)
    .refine((text) => URL.canParse(text) && schemes.test(text), `must be a URL such as ${example}`);

export const postgresUrl = urlOf(/^postgres(ql)?:/, 'postgres://user:password@127.0.0.1:5432/shared_psql');
export const amqpUrl = urlOf(/^amqps?:/, 'amqp://user:password@127.0.0.1:5672');
const httpUrl = urlOf(/^https?:/, 'http://127.0.0.1:8080');
/** Whoever can change the keys on their way can sign tokens of anybody: without TLS they must not leave this machine. */
const keysUrl = httpUrl.refine(
  (text) => !URL.canParse(text) || new URL(text).protocol === 'https:' || isLoopback(new URL(text).hostname),
  'must begin with https:, but for a key server on the loopback interface',
);
export const port = z.coerce.number().int().min(0).max(65_535);
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
);

/** Every variable that a service reads, but for Temporal's own. */
export const settings = z.object({
  /** The database `shared_psql`. */
  DATABASE_URL: postgresUrl,
  /** A way to the same database that passes no transaction-pooling proxy: LISTEN needs one. */
  DATABASE_DIRECT_URL: postgresUrl.optional(),
  /** The CAs that may have signed PostgreSQL's certificate, in PEM form. */
  DATABASE_CA_FILE: z.string().min(1).optional(),
  AMQP_URL: amqpUrl,
  /** The same of RabbitMQ, its management API included. */
  AMQP_CA_FILE: z.string().min(1).optional(),
  /** RabbitMQ as agents that listen reach it, with an account that may only read control queues; never that of a service. */
  CONTROL_AMQP_URL: amqpUrl.optional(),
  /** What an agent that listens has between `instance.stop` and SIGTERM. */
  CONTROL_HEAD_START_SECONDS: z.coerce.number().min(0).max(60).default(1),
  TASK_QUEUE: z.string().min(1).optional(),
  /** The kinds of agents that may be started: process, docker. Only containers keep agents apart from the worker. */
  ALLOWED_RUNTIMES: list.pipe(z.array(z.enum(runtimeNames)).min(1)).default([...runtimeNames]),
  // Nobody here needs their types: a kind of runtime parses its own.
  ...(runtimeSettings as object),
  /** A bundle made by `npm run build`; without it the workflow code is bundled at start. */
  WORKFLOW_BUNDLE: z.string().min(1).optional(),
  /** How often rows, workflows and runtimes are compared. */
  SWEEP_INTERVAL_SECONDS: z.coerce.number().int().min(1).default(60),
  /** How long entries of the audit log are kept; for ever when left out. */
  AUDIT_RETENTION_DAYS: z.coerce.number().int().min(1).max(100_000).optional(),
  HEALTH_HOST: z.string().min(1).default('127.0.0.1'),
  EVENT_BROKER_HEALTH_PORT: port.default(27_481),
  AGENTS_WORKER_HEALTH_PORT: port.default(27_482),
  USER_BACKEND_HEALTH_PORT: port.default(27_483),
  ADMIN_BACKEND_HEALTH_PORT: port.default(27_484),
  /** Address that both backends listen on. */
  HTTP_HOST: z.string().min(1).default('127.0.0.1'),
  USER_BACKEND_PORT: port.default(27_440),
  ADMIN_BACKEND_PORT: port.default(27_441),
  /** Shared with whoever issues tokens; for development. */
  JWT_SECRET: z.string().min(32, 'must have at least 32 characters').optional(),
  /** Where the issuer of tokens publishes its keys. */
  JWT_JWKS_URL: keysUrl.optional(),
  /** The CAs that may have signed the certificate of that address, in PEM form. */
  JWT_JWKS_CA_FILE: z.string().min(1).optional(),
  JWT_ISSUER: z.string().min(1).optional(),
  JWT_AUDIENCE: z.string().min(1).default('instance-engine'),
  /** Origins whose pages may call the backends, besides the page that user_backend serves. */
  ALLOWED_ORIGINS: list.default([]),
  REQUESTS_PER_MINUTE: z.coerce.number().int().min(1).default(600),
  TRUSTED_PROXIES: list.default([]),
  /** Where the page finds admin_backend and Temporal's Web UI; without them it has no such part. */
  ADMIN_BACKEND_URL: httpUrl.optional(),
  TEMPORAL_UI_URL: httpUrl.optional(),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

export type Settings = z.infer<typeof settings>;

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
