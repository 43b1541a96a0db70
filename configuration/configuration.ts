import { hostname } from 'node:os';
import type { z } from 'zod';
import type { BuildOfDeployment } from '../contracts/names.ts';
import type { Variables } from '../runtimes/kind.ts';
import { runtimeSettings } from '../runtimes/registry.ts';
import { findBuild } from './build.ts';
import { findConflicts } from './conflicts.ts';
import { InvalidConfiguration, problemsOf, readEnvironment, withoutEmpty, type Environment } from './environment.ts';
import { serviceSettings } from './settings.ts';
import { findTemporal, type TemporalServer } from './temporal.ts';

type ServiceSettings = z.infer<typeof serviceSettings>;

/** What every service is told; `configuration/settings.ts` describes each setting. */
export type Configuration = ReturnType<typeof toConfiguration>;

/**
 * Reads the settings of the services. Every service checks all of them, so that a fault is found at the first start. Temporal's own settings
 * are read by its SDK (https://docs.temporal.io/develop/environment-configuration).
 *
 * @throws InvalidConfiguration
 */
export function readConfiguration(overrides: Environment = {}, { needsTokens = false } = {}): Configuration {
  const { environment, problems } = readEnvironment(overrides);
  const parsed = serviceSettings.safeParse(environment);
  const temporal = findTemporal(environment);
  const build = findBuild(environment);
  const conflicts = findConflicts(environment, { needsTokens });
  const areConsistent = problems.length === 0 && conflicts.length === 0 && !('problem' in build);
  if (parsed.success && !('problem' in temporal) && areConsistent) {
    return toConfiguration(parsed.data, { temporal, build: build.build }, environment);
  }
  const lines = [
    ...problems,
    ...(parsed.success ? [] : problemsOf(parsed.error)),
    ...('problem' in temporal ? [temporal.problem] : []),
    ...('problem' in build ? [build.problem] : []),
    ...conflicts,
  ];
  throw new InvalidConfiguration(`The configuration is not complete:\n${lines.map((line) => `- ${line}`).join('\n')}`);
}

export const defaultTaskQueue = 'instances';

function toConfiguration(
  settings: ServiceSettings,
  { temporal, build }: { temporal: TemporalServer; build: BuildOfDeployment | undefined },
  environment: Environment,
) {
  return {
    databaseUrl: settings.DATABASE_URL,
    databaseDirectUrl: settings.DATABASE_DIRECT_URL ?? settings.DATABASE_URL,
    amqpUrl: settings.AMQP_URL,
    controlAmqpUrl: settings.CONTROL_AMQP_URL,
    controlHeadStartSeconds: settings.CONTROL_HEAD_START_SECONDS,
    temporal,
    taskQueue: settings.TASK_QUEUE ?? defaultTaskQueue,
    /** The task queue without its default. */
    givenTaskQueue: settings.TASK_QUEUE,
    allowedRuntimes: settings.ALLOWED_RUNTIMES,
    host: {
      name: settings.HOST_NAME ?? hostname(),
      labels: settings.HOST_LABELS ?? {},
      capacity: settings.HOST_CAPACITY ?? null,
      leaseSeconds: settings.HOST_LEASE_SECONDS,
    },
    agentSecrets: { file: settings.AGENT_SECRETS_FILE, directory: settings.AGENT_SECRETS_DIRECTORY },
    /** The variables of the kinds of runtimes, which parse them themselves. */
    runtimeVariables: pickRuntimeVariables(environment),
    workflowBundle: settings.WORKFLOW_BUNDLE,
    /** Undefined: agents_worker is unversioned. */
    build,
    deploymentBundle: settings.DEPLOYMENT_BUNDLE,
    sweepIntervalSeconds: settings.SWEEP_INTERVAL_SECONDS,
    auditRetentionDays: settings.AUDIT_RETENTION_DAYS,
    healthHost: settings.HEALTH_HOST,
    eventBrokerHealthPort: settings.EVENT_BROKER_HEALTH_PORT,
    agentsWorkerHealthPort: settings.AGENTS_WORKER_HEALTH_PORT,
    userBackendHealthPort: settings.USER_BACKEND_HEALTH_PORT,
    adminBackendHealthPort: settings.ADMIN_BACKEND_HEALTH_PORT,
    deployerHealthPort: settings.DEPLOYER_HEALTH_PORT,
    http: {
      host: settings.HTTP_HOST,
      userBackendPort: settings.USER_BACKEND_PORT,
      adminBackendPort: settings.ADMIN_BACKEND_PORT,
      tokens: toTokens(settings),
      allowedOrigins: settings.ALLOWED_ORIGINS,
      requestsPerMinute: settings.REQUESTS_PER_MINUTE,
      trustedProxies: settings.TRUSTED_PROXIES,
      adminBackendUrl: settings.ADMIN_BACKEND_URL,
      temporalUiUrl: settings.TEMPORAL_UI_URL,
    },
    logLevel: settings.LOG_LEVEL,
    /** Undefined: there are no traces. */
    tracing: toTracing(settings),
    /** The only variables of this process that agents get to see. */
    hostEnvironment: withoutEmpty(
      Object.fromEntries(['PATH', 'HOME', 'LANG', 'TZ'].map((name) => [name, environment[name]])),
    ),
  };
}

function toTracing(settings: ServiceSettings) {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers = {} } = settings;
  return endpoint === undefined ? undefined : { endpoint, headers, ratio: settings.OTEL_TRACES_SAMPLER_ARG };
}

/** Undefined: no token can be checked, so that no backend can start. */
function toTokens(settings: ServiceSettings) {
  const { JWT_SECRET: secret, JWT_JWKS_URL: jwksUrl, JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = settings;
  if (secret !== undefined) return { key: { secret }, issuer, audience };
  return jwksUrl === undefined ? undefined : { key: { jwksUrl, caFile: settings.JWT_JWKS_CA_FILE }, issuer, audience };
}

export function pickRuntimeVariables(environment: Environment): Variables {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => name in runtimeSettings));
}
