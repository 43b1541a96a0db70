import type { NativeConnectionOptions } from '@temporalio/worker';
import { z } from 'zod';
import type { TokenSettings } from '../backends/http/tokens.ts';
import type { Variables } from '../runtimes/kind.ts';
import { runtimeSettings } from '../runtimes/registry.ts';
import { findControlAccountProblem } from './control-account.ts';
import { readEnvironment, readTemporal, withoutEmpty, type Environment } from './environment.ts';
import { findTokenProblem, toHttp, type HttpConfiguration } from './http-configuration.ts';
import { readRunningStart } from '../workers/running-start.ts';
import { secretVariables } from './secret-files.ts';
import { passwordsIn } from './service-passwords.ts';
import { amqpUrl, port, postgresUrl, settings, urlOf, type Settings } from './settings.ts';

export interface Configuration {
  databaseUrl: string;
  databaseDirectUrl: string;
  amqpUrl: string;
  /** Undefined: agents that listen for commands wait until agents_worker has an account for them. */
  controlAmqpUrl: string | undefined;
  controlHeadStartSeconds: number;
  temporal: { connection: NativeConnectionOptions; namespace: string };
  taskQueue: string;
  /** The same, undefined where it was left to the default. */
  givenTaskQueue: string | undefined;
  /** The kinds of agents that may be started. */
  allowedRuntimes: Settings['ALLOWED_RUNTIMES'];
  /** The variables that the kinds of runtimes read, each valid by its schema. */
  runtimeVariables: Variables;
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
  logLevel: Settings['LOG_LEVEL'];
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
  const { environment, problems: fileProblems } = readEnvironment(process.env, overrides);
  const parsed = settings.safeParse(environment);
  const temporal = readTemporal(environment);
  const tokenProblem = findTokenProblem(environment, needsTokens);
  const controlProblem = findControlAccountProblem(environment);
  const isWrong = fileProblems.length > 0 || tokenProblem !== undefined || controlProblem !== undefined;
  if (!parsed.success || 'problem' in temporal || isWrong) {
    const problems = [
      ...fileProblems,
      ...(parsed.error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`) ?? []),
      ...('problem' in temporal ? [temporal.problem] : []),
      ...(tokenProblem === undefined ? [] : [tokenProblem]),
      ...(controlProblem === undefined ? [] : [controlProblem]),
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
    controlAmqpUrl: data.CONTROL_AMQP_URL,
    controlHeadStartSeconds: data.CONTROL_HEAD_START_SECONDS,
    temporal,
    taskQueue: data.TASK_QUEUE ?? 'instances',
    givenTaskQueue: data.TASK_QUEUE,
    allowedRuntimes: data.ALLOWED_RUNTIMES,
    runtimeVariables: pickRuntimeVariables(environment),
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

function pickRuntimeVariables(environment: Readonly<Record<string, string>>): Variables {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => name in runtimeSettings));
}

const serverSettings = z.object({
  DATABASE_URL: postgresUrl.optional(),
  DATABASE_DIRECT_URL: settings.shape.DATABASE_DIRECT_URL,
  AMQP_URL: amqpUrl.optional(),
  CONTROL_AMQP_URL: settings.shape.CONTROL_AMQP_URL,
  RABBITMQ_MANAGEMENT_URL: urlOf(/^https?:/, 'http://127.0.0.1:15672').optional(),
  STACK_PORT_BASE: port.optional(),
  STACK_DIRECTORY: z.string().min(1).optional(),
});

/** Which servers the environment names; those that it does not are for `stack/` to bring up. */
export interface GivenServers {
  databaseUrl: string | undefined;
  databaseDirectUrl: string | undefined;
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
  const { environment, problems } = readEnvironment(process.env);
  const parsed = serverSettings.safeParse(environment);
  const temporal = readTemporal(environment);
  if (problems.length > 0) throw new InvalidConfiguration(problems.join('\n'));
  if (!parsed.success) throw new InvalidConfiguration(z.prettifyError(parsed.error));
  return {
    databaseUrl: parsed.data.DATABASE_URL,
    databaseDirectUrl: parsed.data.DATABASE_DIRECT_URL,
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
  const { AMQP_CA_FILE } = process.env;
  const ofOtherServer = /^amqps:/i.test(given.amqpUrl ?? '') ? { AMQP_CA_FILE } : {};
  const { environment, problems: fileProblems } = readEnvironment(
    given.amqpUrl === undefined ? process.env : ofOtherServer,
    {
      ...(given.amqpUrl !== undefined && { AMQP_URL: given.amqpUrl }),
      ...(given.managementUrl !== undefined && { RABBITMQ_MANAGEMENT_URL: given.managementUrl }),
    },
  );
  if (fileProblems.length > 0) throw new InvalidConfiguration(fileProblems.join('; '));
  const parsed = rabbitmqSettings.safeParse(environment);
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

/**
 * The passwords that accounts are to have at PostgreSQL or RabbitMQ, where the environment gives any.
 *
 * @throws InvalidConfiguration
 */
export function readServicePasswords(server: 'DATABASE' | 'AMQP'): Record<string, string> {
  const { environment, problems } = readEnvironment(process.env);
  if (problems.length > 0) throw new InvalidConfiguration(problems.join('; '));
  return passwordsIn(environment, server);
}

/** Variables of the environment that hold a secret, or a URL that may. */
export function readExposedSecrets(): string[] {
  return secretVariables.filter((name) => process.env[name]);
}

/** What the commands of a terminal may need. @throws InvalidConfiguration, each for what it gives, with what to do */
export interface CommandLineConfiguration {
  databaseUrl(): string;
  amqpUrl(): string;
  temporal(): Configuration['temporal'];
  /** Undefined where the environment does not give it. */
  taskQueue(): string | undefined;
  /** The variables that the kinds of runtimes read. */
  runtimeVariables(): Variables;
  /** By which tokens can be made. */
  tokens(): TokenSettings;
}

/** The environment's; where that names no server, those of the `npm start` that runs in this checkout. */
export function readCommandLineConfiguration(): CommandLineConfiguration {
  const { environment: given, problems } = readEnvironment(process.env);
  if (problems.length > 0) throw new InvalidConfiguration(problems.join('; '));
  const namesServers = ['DATABASE_URL', 'AMQP_URL', 'TEMPORAL_ADDRESS'].some((name) => name in given);
  const environment = namesServers ? given : { ...given, ...readRunningStart(given['STACK_DIRECTORY']) };
  const otherwise = namesServers ? '' : '; or run npm start in this checkout';
  const { shape } = settings;
  const read = <Value>(name: string, schema: z.ZodType<Value>): Value => {
    const parsed = schema.safeParse(environment[name]);
    if (parsed.success) return parsed.data;
    throw new InvalidConfiguration(`${name} ${parsed.error.issues[0]?.message ?? 'is invalid'}${otherwise}`);
  };
  return {
    tokens: () => {
      const secret = given['JWT_SECRET'] ?? environment['JWT_SECRET'];
      if (secret === undefined)
        throw new InvalidConfiguration(`JWT_SECRET is required, as the backends have it${otherwise}`);
      return {
        key: { secret },
        issuer: read('JWT_ISSUER', shape.JWT_ISSUER),
        audience: read('JWT_AUDIENCE', shape.JWT_AUDIENCE),
      };
    },
    databaseUrl: () => read('DATABASE_URL', shape.DATABASE_URL),
    amqpUrl: () => read('AMQP_URL', shape.AMQP_URL),
    temporal: () => {
      const temporal = readTemporal(environment);
      if ('problem' in temporal) throw new InvalidConfiguration(`${temporal.problem}${otherwise}`);
      return temporal;
    },
    taskQueue: () => read('TASK_QUEUE', shape.TASK_QUEUE),
    runtimeVariables: () => {
      for (const [name, schema] of Object.entries(runtimeSettings)) read(name, schema);
      return pickRuntimeVariables(environment);
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
  const { environment, problems } = readEnvironment(process.env, withoutEmpty(overrides));
  if (problems.length > 0) throw new InvalidConfiguration(problems.join('; '));
  const temporal = readTemporal(environment);
  if ('problem' in temporal) throw new InvalidConfiguration(temporal.problem);
  return temporal;
}
