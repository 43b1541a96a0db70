import type { NativeConnectionOptions } from '@temporalio/worker';
import { z } from 'zod';
import type { TokenSettings } from '../backends/http/tokens.ts';
import type { EngineAddress } from '../runtimes/docker/connection.ts';
import { readTemporal, withoutEmpty, type Environment } from './environment.ts';
import { readRunningStart } from './running-start.ts';
import { passwordsIn } from './service-passwords.ts';

const urlOf = (schemes: RegExp, example: string) =>
  z
    .string(`is required, e.g. ${example}`)
    .refine((text) => URL.canParse(text) && schemes.test(text), `must be a URL such as ${example}`);

const postgresUrl = urlOf(/^postgres(ql)?:/, 'postgres://user:password@127.0.0.1:5432/shared_psql');
const amqpUrl = urlOf(/^amqps?:/, 'amqp://user:password@127.0.0.1:5672');
const httpUrl = urlOf(/^https?:/, 'http://127.0.0.1:8080');
const port = z.coerce.number().int().min(0).max(65_535);
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
);

const settings = z.object({
  /** The database `shared_psql`. */
  DATABASE_URL: postgresUrl,
  /** A way to the same database that passes no transaction-pooling proxy: LISTEN needs one. */
  DATABASE_DIRECT_URL: postgresUrl.optional(),
  AMQP_URL: amqpUrl,
  /** RabbitMQ as agents that listen reach it; best with an account that may only read control queues. */
  CONTROL_AMQP_URL: amqpUrl.optional(),
  /** What an agent that listens has between `instance.stop` and SIGTERM. */
  CONTROL_HEAD_START_SECONDS: z.coerce.number().min(0).max(60).default(1),
  TASK_QUEUE: z.string().min(1).default('instances'),
  /** Folder of the process runtime; must survive a restart of agents_worker. */
  RUNTIME_DIRECTORY: z.string().min(1).default('.stack/runtime'),
  /** The Docker engine that agents of the kind `docker` run on; without it they wait for a worker that has one. */
  DOCKER_HOST: urlOf(
    /^(unix:\/\/\/.|npipe:\/\/.|(tcp|https?):\/\/[^/]+)/,
    'unix:///var/run/docker.sock or tcp://127.0.0.1:2375',
  ).optional(),
  /** Folder with ca.pem, cert.pem and key.pem: the engine is then spoken to over TLS. */
  DOCKER_CERT_PATH: z.string().min(1).optional(),
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
  JWT_JWKS_URL: httpUrl.optional(),
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

/** What both backends are told of HTTP. */
export interface HttpConfiguration {
  host: string;
  userBackendPort: number;
  adminBackendPort: number;
  /** Undefined: no token can be checked, so that no backend can start. */
  tokens: TokenSettings | undefined;
  allowedOrigins: string[];
  requestsPerMinute: number;
  trustedProxies: string[];
  adminBackendUrl: string | undefined;
  temporalUiUrl: string | undefined;
}

export interface Configuration {
  databaseUrl: string;
  databaseDirectUrl: string;
  amqpUrl: string;
  controlAmqpUrl: string;
  controlHeadStartSeconds: number;
  temporal: { connection: NativeConnectionOptions; namespace: string };
  taskQueue: string;
  runtimeDirectory: string;
  /** Undefined: this worker runs no containers. */
  docker: EngineAddress | undefined;
  workflowBundle: string | undefined;
  sweepIntervalSeconds: number;
  /** Undefined: entries of the audit log are kept for ever. */
  auditRetentionDays: number | undefined;
  healthHost: string;
  eventBrokerHealthPort: number;
  agentsWorkerHealthPort: number;
  userBackendHealthPort: number;
  adminBackendHealthPort: number;
  http: HttpConfiguration;
  logLevel: z.infer<typeof settings>['LOG_LEVEL'];
  /** All that agents get to see of this process's environment. */
  hostEnvironment: Record<string, string>;
}

/** Names every setting that is missing or wrong, at once. */
export class InvalidConfiguration extends Error {
  override name = 'InvalidConfiguration';
}

/**
 * The only reader of the environment. Temporal's part is the SDK's own (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, TLS,
 * API key, or a profile of its configuration file: https://docs.temporal.io/develop/environment-configuration).
 *
 * @throws InvalidConfiguration
 */
export function readConfiguration(overrides: Environment = {}, { needsTokens = false } = {}): Configuration {
  const environment = { ...process.env, ...overrides };
  const parsed = settings.safeParse(withoutEmpty(environment));
  const temporal = readTemporal(environment);
  const tokenProblem = findTokenProblem(environment, needsTokens);
  if (!parsed.success || 'problem' in temporal || tokenProblem !== undefined) {
    const problems = [
      ...(parsed.error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`) ?? []),
      ...('problem' in temporal ? [temporal.problem] : []),
      ...(tokenProblem === undefined ? [] : [tokenProblem]),
    ];
    throw new InvalidConfiguration(
      `The configuration is not complete:\n${problems.map((line) => `- ${line}`).join('\n')}`,
    );
  }
  const { data } = parsed;
  return {
    databaseUrl: data.DATABASE_URL,
    databaseDirectUrl: data.DATABASE_DIRECT_URL ?? data.DATABASE_URL,
    amqpUrl: data.AMQP_URL,
    controlAmqpUrl: data.CONTROL_AMQP_URL ?? data.AMQP_URL,
    controlHeadStartSeconds: data.CONTROL_HEAD_START_SECONDS,
    temporal,
    taskQueue: data.TASK_QUEUE,
    runtimeDirectory: data.RUNTIME_DIRECTORY,
    docker:
      data.DOCKER_HOST === undefined
        ? undefined
        : { host: data.DOCKER_HOST, certificatesDirectory: data.DOCKER_CERT_PATH },
    workflowBundle: data.WORKFLOW_BUNDLE,
    sweepIntervalSeconds: data.SWEEP_INTERVAL_SECONDS,
    auditRetentionDays: data.AUDIT_RETENTION_DAYS,
    healthHost: data.HEALTH_HOST,
    eventBrokerHealthPort: data.EVENT_BROKER_HEALTH_PORT,
    agentsWorkerHealthPort: data.AGENTS_WORKER_HEALTH_PORT,
    userBackendHealthPort: data.USER_BACKEND_HEALTH_PORT,
    adminBackendHealthPort: data.ADMIN_BACKEND_HEALTH_PORT,
    http: toHttp(data),
    logLevel: data.LOG_LEVEL,
    hostEnvironment: withoutEmpty(
      Object.fromEntries(['PATH', 'HOME', 'LANG', 'TZ'].map((name) => [name, environment[name]])),
    ),
  };
}

function findTokenProblem({ JWT_SECRET: secret, JWT_JWKS_URL: jwksUrl }: Environment, needed: boolean) {
  if (secret && jwksUrl) return 'JWT_SECRET and JWT_JWKS_URL are both set: tokens are checked by one of them';
  if (!needed || secret || jwksUrl) return undefined;
  return 'JWT_JWKS_URL is required, e.g. https://login.example.com/.well-known/jwks.json (for development, JWT_SECRET)';
}

function toHttp(data: z.infer<typeof settings>): HttpConfiguration {
  const key = data.JWT_SECRET
    ? { secret: data.JWT_SECRET }
    : data.JWT_JWKS_URL
      ? { jwksUrl: data.JWT_JWKS_URL }
      : undefined;
  return {
    host: data.HTTP_HOST,
    userBackendPort: data.USER_BACKEND_PORT,
    adminBackendPort: data.ADMIN_BACKEND_PORT,
    tokens: key && { key, issuer: data.JWT_ISSUER, audience: data.JWT_AUDIENCE },
    allowedOrigins: data.ALLOWED_ORIGINS,
    requestsPerMinute: data.REQUESTS_PER_MINUTE,
    trustedProxies: data.TRUSTED_PROXIES,
    adminBackendUrl: data.ADMIN_BACKEND_URL,
    temporalUiUrl: data.TEMPORAL_UI_URL,
  };
}

const serverSettings = z.object({
  DATABASE_URL: postgresUrl.optional(),
  AMQP_URL: amqpUrl.optional(),
  CONTROL_AMQP_URL: settings.shape.CONTROL_AMQP_URL,
  RABBITMQ_MANAGEMENT_URL: urlOf(/^https?:/, 'http://127.0.0.1:15672').optional(),
  STACK_PORT_BASE: port.optional(),
  STACK_DIRECTORY: z.string().min(1).optional(),
});

/** Which servers the environment names; those that it does not are for `stack/` to bring up. */
export interface GivenServers {
  databaseUrl: string | undefined;
  amqpUrl: string | undefined;
  controlAmqpUrl: string | undefined;
  managementUrl: string | undefined;
  temporalAddress: string | undefined;
  portBase: number | undefined;
  /** Where `npm start` keeps its data, when not in `.stack/dev`. */
  stackDirectory: string | undefined;
}

/** @throws InvalidConfiguration */
export function readGivenServers(): GivenServers {
  const parsed = serverSettings.safeParse(withoutEmpty(process.env));
  const temporal = readTemporal(process.env);
  if (!parsed.success) throw new InvalidConfiguration(z.prettifyError(parsed.error));
  return {
    databaseUrl: parsed.data.DATABASE_URL,
    amqpUrl: parsed.data.AMQP_URL,
    controlAmqpUrl: parsed.data.CONTROL_AMQP_URL,
    managementUrl: parsed.data.RABBITMQ_MANAGEMENT_URL,
    temporalAddress: 'problem' in temporal ? undefined : temporal.connection.address,
    portBase: parsed.data.STACK_PORT_BASE,
    stackDirectory: parsed.data.STACK_DIRECTORY,
  };
}

const rabbitmqSettings = z.object({
  AMQP_URL: amqpUrl,
  RABBITMQ_MANAGEMENT_URL: serverSettings.shape.RABBITMQ_MANAGEMENT_URL,
});

/**
 * RabbitMQ alone. An AMQP URL that is given leaves the environment aside: its management URL may be another server's.
 *
 * @throws InvalidConfiguration
 */
export function readRabbitmq(given: { amqpUrl?: string | undefined; managementUrl?: string | undefined }) {
  const parsed = rabbitmqSettings.safeParse({
    ...(given.amqpUrl === undefined && withoutEmpty(process.env)),
    ...(given.amqpUrl !== undefined && { AMQP_URL: given.amqpUrl }),
    ...(given.managementUrl !== undefined && { RABBITMQ_MANAGEMENT_URL: given.managementUrl }),
  });
  if (parsed.success) {
    return { amqpUrl: parsed.data.AMQP_URL, managementUrl: parsed.data.RABBITMQ_MANAGEMENT_URL };
  }
  const options: Record<string, string> = { AMQP_URL: '--amqp-url', RABBITMQ_MANAGEMENT_URL: '--management-url' };
  const problems = parsed.error.issues.map(({ path: [name], message }) => {
    const variable = String(name);
    return `${options[variable]} (or ${variable}) ${message}`;
  });
  throw new InvalidConfiguration(problems.join('; '));
}

/** The passwords that accounts are to have at PostgreSQL or RabbitMQ, where the environment gives any. */
export function readServicePasswords(server: 'DATABASE' | 'AMQP'): Record<string, string> {
  return passwordsIn(withoutEmpty(process.env), server);
}

/** What the commands of a terminal may need. @throws InvalidConfiguration, each for what it gives, with what to do */
export interface CommandLineConfiguration {
  databaseUrl(): string;
  amqpUrl(): string;
  temporal(): Configuration['temporal'];
  runtimeDirectory(): string;
  docker(): EngineAddress | undefined;
}

/** The environment's; where that names no server, those of the `npm start` that runs in this checkout. */
export function readCommandLineConfiguration(): CommandLineConfiguration {
  const given = withoutEmpty(process.env);
  const namesServers = ['DATABASE_URL', 'AMQP_URL', 'TEMPORAL_ADDRESS'].some((name) => name in given);
  const environment = namesServers ? given : { ...given, ...readRunningStart(given['STACK_DIRECTORY']) };
  const otherwise = namesServers ? '' : '; or run npm start in this checkout';
  const { shape } = settings;
  const read = <Value>(name: keyof typeof shape, schema: z.ZodType<Value>): Value => {
    const parsed = schema.safeParse(environment[name]);
    if (parsed.success) return parsed.data;
    throw new InvalidConfiguration(`${name} ${parsed.error.issues[0]?.message ?? 'is invalid'}${otherwise}`);
  };
  return {
    databaseUrl: () => read('DATABASE_URL', shape.DATABASE_URL),
    amqpUrl: () => read('AMQP_URL', shape.AMQP_URL),
    temporal: () => {
      const temporal = readTemporal(environment);
      if ('problem' in temporal) throw new InvalidConfiguration(`${temporal.problem}${otherwise}`);
      return temporal;
    },
    runtimeDirectory: () => read('RUNTIME_DIRECTORY', shape.RUNTIME_DIRECTORY),
    docker: () => {
      const host = read('DOCKER_HOST', shape.DOCKER_HOST);
      return host === undefined
        ? undefined
        : { host, certificatesDirectory: read('DOCKER_CERT_PATH', shape.DOCKER_CERT_PATH) };
    },
  };
}

/**
 * Temporal alone, for a process that needs no other server. What the overrides leave out or leave undefined is the
 * environment's.
 *
 * @throws InvalidConfiguration
 */
export function readTemporalServer(overrides: Environment = {}): Configuration['temporal'] {
  const temporal = readTemporal({ ...process.env, ...withoutEmpty(overrides) });
  if ('problem' in temporal) throw new InvalidConfiguration(temporal.problem);
  return temporal;
}
