import { z } from 'zod';
import { buildIdPattern, deploymentNamePattern, type ServiceName } from '../contracts/names.ts';
import { runtimeNames, runtimeSettings } from '../runtimes/registry.ts';

/** A service, or a command that reads a setting itself. */
export type Reader = ServiceName | `npx instances${'' | ` ${string}`}` | 'npm start';

/** What the README's table says of a setting, besides the default of its schema. */
interface Documentation {
  description: string;
  unit?: string;
  /** What happens without the setting, where the schema has no default value. */
  otherwise?: string;
  /** The value is a secret, or a URL that may hold one: `<name>_FILE` may name a file instead. */
  isSecret?: true;
}

function setting<Schema extends z.ZodType>(
  schema: Schema,
  readers: readonly Reader[],
  documentation: Documentation,
): Schema {
  return schema.meta({ ...documentation, readers });
}

/** @throws Error when the setting is not documented */
export function documentationOf(schema: z.ZodType): Documentation & { readers: readonly Reader[] } {
  const documentation = schema.meta();
  if (documentation?.description === undefined) throw new Error('A setting has no description.');
  return { readers: [], ...documentation, description: documentation.description };
}

function urlOf(schemes: RegExp, example: string) {
  return z
    .string(`is required, e.g. ${example}`)
    .refine((text) => URL.canParse(text) && schemes.test(text), `must be a URL such as ${example}`);
}

/** A URL of RabbitMQ, whose user, password and path are decoded. */
function escapedUrlOf(schemes: RegExp, example: string) {
  return urlOf(schemes, example)
    .refine(
      isEscaped,
      'has a percent sign that begins no escape: write a % in its user, password or virtual host as %25',
    )
    .refine(
      (url) => !URL.canParse(url) || !new URL(url).hostname.includes(','),
      'has a comma in its host: only AMQP_URL may name several, such as amqp://user:password@rabbitmq-1,rabbitmq-2:5672/vhost',
    );
}

const text = z.string().min(1);
const file = text.optional();
const port = z.coerce.number().int().min(0).max(65_535);
const postgresUrl = urlOf(/^postgres(ql)?:/, 'postgres://user:password@127.0.0.1:5432/shared_psql');
const amqpUrl = escapedUrlOf(/^amqps?:/, 'amqp://user:password@127.0.0.1:5672');
const httpUrl = urlOf(/^https?:/, 'http://127.0.0.1:8080');
/** Anybody who can change the keys on their way can sign tokens of every user, so only TLS may carry them off this machine. */
const keysUrl = httpUrl.refine(
  (value) => !URL.canParse(value) || new URL(value).protocol === 'https:' || isLoopback(new URL(value).hostname),
  'must begin with https:, unless the key server is on the loopback interface',
);
const list = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
);

const labels = list
  .pipe(
    z.array(
      z
        .string()
        .regex(/^[^\s=]{1,100}=[^\s]{0,100}$/, 'must be labels such as zone=a,disk=ssd')
        .transform((label): [string, string] => [
          label.slice(0, label.indexOf('=')),
          label.slice(label.indexOf('=') + 1),
        ]),
    ),
  )
  .transform((pairs): Record<string, string> => Object.fromEntries(pairs));

/** https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables */
const headers = list
  .pipe(z.array(z.string().regex(/^[^\s=]+=.*$/, 'must be headers such as api-key=secret')))
  .transform((pairs): Record<string, string> =>
    Object.fromEntries(
      pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), decodeValue(pair.slice(pair.indexOf('=') + 1))]),
    ),
  );

const backends = ['user_backend', 'admin_backend'] as const;
const services = ['event_broker', 'agents_worker', ...backends, 'deployer'] as const;
const everyProcess = [...services, 'npx instances', 'npm start'] as const;
const temporalReaders = ['agents_worker', 'user_backend', 'deployer', 'npx instances'] as const;
const healthPort = (service: ServiceName, number: number) =>
  setting(port.default(number), [service], { description: `Port of \`GET /live\` and \`GET /ready\` of ${service}.` });

const ofRuntimes = Object.fromEntries(
  Object.entries(runtimeSettings).map(([name, schema]) => [
    name,
    setting(schema, ['agents_worker', 'npx instances explain'], documentationOf(schema)),
  ]),
);

/** Every setting, in the order of the README's tables. Types, parsing and error texts follow from it as well. */
export const settingGroups = {
  PostgreSQL: {
    DATABASE_URL: setting(postgresUrl, everyProcess, {
      description: 'URL of the database shared_psql.',
      isSecret: true,
    }),
    DATABASE_DIRECT_URL: setting(postgresUrl.optional(), ['event_broker', 'npx instances migrate'], {
      description:
        'URL of the same database without a pooler such as PgBouncer in between, because `LISTEN` needs a session.',
      otherwise: '`DATABASE_URL`',
      isSecret: true,
    }),
    DATABASE_CA_FILE: setting(file, everyProcess, {
      description:
        "PEM file of the CAs that may have signed PostgreSQL's certificate. TLS is then used and checked. `sslrootcert` in the URL has the same effect.",
      otherwise: 'CAs of Node.js',
    }),
  },
  RabbitMQ: {
    AMQP_URL: setting(amqpUrl, everyProcess, {
      description:
        'URL of RabbitMQ 3.10 or newer. Its path is the virtual host. It may name [several nodes of a cluster](docs/scale-out.md#rabbitmq): `amqp://user:password@rabbitmq-1,rabbitmq-2:5672/vhost`.',
      isSecret: true,
    }),
    AMQP_CA_FILE: setting(file, everyProcess, {
      description:
        "PEM file of the CAs that may have signed RabbitMQ's certificates, for `amqps:` and for `https:` of the management API. `cacertfile` in a URL has the same effect.",
      otherwise: 'CAs of Node.js',
    }),
    RABBITMQ_MANAGEMENT_URL: setting(
      escapedUrlOf(/^https?:/, 'http://127.0.0.1:15672').optional(),
      ['npx instances contracts check', 'npm start'],
      {
        description: "URL of RabbitMQ's management API. It may name another user than `AMQP_URL`.",
        otherwise: 'port 15672 of the first host in `AMQP_URL`, 15671 over TLS',
        isSecret: true,
      },
    ),
    CONTROL_AMQP_URL: setting(amqpUrl.optional(), ['agents_worker'], {
      description:
        'URL of RabbitMQ as agents that listen for commands reach it, with [an account of few rights](docs/event-bus-contracts.md#the-agents-account). It never names the account of a service.',
      otherwise: 'agents that listen for commands wait',
      isSecret: true,
    }),
    CONTROL_HEAD_START_SECONDS: setting(z.coerce.number().min(0).max(60).default(1), ['agents_worker'], {
      description: 'Time that an agent that listens has between `instance.stop` and SIGTERM.',
      unit: 's',
    }),
  },
  Temporal: {
    TEMPORAL_ADDRESS: setting(text.optional(), everyProcess, {
      description:
        "Address of Temporal's frontend. The SDK's [other variables](https://docs.temporal.io/develop/environment-configuration) (`TEMPORAL_TLS_SERVER_CA_CERT_PATH`, `TEMPORAL_PROFILE`, …) are read as well.",
      otherwise: 'required, here or in a profile',
    }),
    TEMPORAL_NAMESPACE: setting(text.optional(), temporalReaders, {
      description: "Namespace of the engine's workflows.",
      otherwise: '`default`',
    }),
    TEMPORAL_API_KEY: setting(text.optional(), temporalReaders, {
      description: 'API key of Temporal Cloud.',
      otherwise: 'none',
      isSecret: true,
    }),
    TEMPORAL_TLS_CLIENT_KEY_DATA: setting(text.optional(), temporalReaders, {
      description: "Key of the client's certificate in PEM form.",
      otherwise: 'none',
      isSecret: true,
    }),
    TASK_QUEUE: setting(text.optional(), temporalReaders, {
      description:
        'Task queue of agents_worker. The database records it and the namespace at the first start, and refuses every other engine.',
      otherwise: '`instances`',
    }),
    WORKFLOW_BUNDLE: setting(file, ['agents_worker'], {
      description: 'File with the workflow code, as `npm run build` makes it.',
      otherwise: 'the code is bundled at the start',
    }),
    TEMPORAL_DEPLOYMENT_NAME: setting(
      text
        .regex(
          deploymentNamePattern,
          'must be a name such as agents-worker: at most 128 letters, digits, hyphens, underscores and slashes, without a dot',
        )
        .optional(),
      ['agents_worker', 'npx instances deploy'],
      {
        description:
          'Name under which [builds of agents_worker are deployed](docs/deployments.md). It is the same for every build.',
        otherwise: 'agents_worker is unversioned, and a new build gets work as soon as it starts',
      },
    ),
    TEMPORAL_WORKER_BUILD_ID: setting(
      text
        .regex(
          buildIdPattern,
          'must be an id such as 1.4.0-3f9a1c02b7de: at most 128 letters, digits, dots, plus signs, hyphens and underscores',
        )
        .optional(),
      ['agents_worker'],
      {
        description: 'Id of the build that agents_worker runs. Needs `TEMPORAL_DEPLOYMENT_NAME`.',
        otherwise: 'content of `dist/build-id`, which `npm run build` writes',
      },
    ),
    DEPLOYMENT_BUNDLE: setting(file, ['deployer'], {
      description: 'File with the workflow code of the deployer, as `npm run build` makes it.',
      otherwise: 'the code is bundled at the start',
    }),
    SWEEP_INTERVAL_SECONDS: setting(z.coerce.number().int().min(1).default(60), ['agents_worker'], {
      description: 'Time between two comparisons of rows, workflows and runtimes, each of which repairs what differs.',
      unit: 's',
    }),
  },
  Agents: {
    ALLOWED_RUNTIMES: setting(
      list.pipe(z.array(z.enum(runtimeNames)).min(1)).default([...runtimeNames]),
      ['agents_worker'],
      {
        description:
          'Kinds of agents that may start, separated by commas. Leave `process` out where agents are not trusted, because only containers keep them apart from agents_worker.',
      },
    ),
    HOST_NAME: setting(text.max(255).optional(), ['agents_worker'], {
      description: 'Name of the host in `npx instances hosts list`. A namespace of a cluster has its own name.',
      otherwise: 'name of the machine',
    }),
    HOST_LABELS: setting(labels.optional(), ['agents_worker'], {
      description:
        'Labels of the host, e.g. `zone=a,disk=ssd`. An agent with `host_labels` runs only on hosts that have all of them.',
      otherwise: 'none',
    }),
    HOST_CAPACITY: setting(z.coerce.number().int().min(0).max(1_000_000).optional(), ['agents_worker'], {
      description: 'Most instances that are placed on the host at once.',
      otherwise: 'no limit',
    }),
    HOST_LEASE_SECONDS: setting(z.coerce.number().min(1).max(3_600).default(15), ['agents_worker'], {
      description: 'Time without a sign of life of any of its workers after which a host counts as lost.',
      unit: 's',
    }),
    AGENT_SECRETS_FILE: setting(file, ['agents_worker'], {
      description:
        'File of lines `name=value`: the secrets that [configs may refer to](docs/secrets.md#secrets-that-a-config-refers-to). It is read at each start of an agent.',
      otherwise: 'none',
    }),
    AGENT_SECRETS_DIRECTORY: setting(file, ['agents_worker'], {
      description:
        'Folder with one file for each such secret, e.g. a mounted Secret of Kubernetes. It comes before `AGENT_SECRETS_FILE`.',
      otherwise: 'none',
    }),
    // Their types are of no use here, because each kind of runtime parses its own settings.
    ...(ofRuntimes as object),
  },
  'HTTP and tokens': {
    HTTP_HOST: setting(text.default('127.0.0.1'), backends, { description: 'Address that the backends listen on.' }),
    USER_BACKEND_PORT: setting(port.default(27_440), ['user_backend'], { description: 'Port of user_backend.' }),
    ADMIN_BACKEND_PORT: setting(port.default(27_441), ['admin_backend'], { description: 'Port of admin_backend.' }),
    JWT_JWKS_URL: setting(keysUrl.optional(), backends, {
      description:
        'URL where the issuer of tokens publishes its keys (RFC 7517). Only a key server on the loopback interface may have `http:`.',
      otherwise: 'this or `JWT_SECRET` is required',
    }),
    JWT_JWKS_CA_FILE: setting(file, backends, {
      description: "PEM file of the CAs that may have signed the key server's certificate.",
      otherwise: 'CAs of Node.js',
    }),
    JWT_SECRET: setting(
      text.min(32, 'must have at least 32 characters').optional(),
      [...backends, 'npx instances token'],
      {
        description: 'Secret of at least 32 characters that the issuer of tokens shares, for development.',
        otherwise: 'this or `JWT_JWKS_URL` is required',
        isSecret: true,
      },
    ),
    JWT_ISSUER: setting(text.optional(), [...backends, 'npx instances token'], {
      description: 'Required claim `iss` of a token.',
      otherwise: 'any issuer',
    }),
    JWT_AUDIENCE: setting(text.default('instance-engine'), [...backends, 'npx instances token'], {
      description: 'Required element of the claim `aud` of a token.',
    }),
    ALLOWED_ORIGINS: setting(list.default([]), backends, {
      description: 'Other origins whose pages may call the backends, separated by commas.',
    }),
    REQUESTS_PER_MINUTE: setting(z.coerce.number().int().min(1).default(600), backends, {
      description: 'Limit for one user, or for one address (IPv6: one /64) without a valid token, at one replica.',
      unit: 'requests a minute',
    }),
    TRUSTED_PROXIES: setting(list.default([]), backends, {
      description: 'Addresses of proxies whose `X-Forwarded-For` is believed, separated by commas.',
    }),
    ADMIN_BACKEND_URL: setting(httpUrl.optional(), ['user_backend'], {
      description: 'URL of admin_backend for the page.',
      otherwise: 'the page has no views of an admin',
    }),
    TEMPORAL_UI_URL: setting(httpUrl.optional(), ['user_backend'], {
      description: "URL of Temporal's Web UI for the page.",
      otherwise: 'the page has no links to workflows',
    }),
  },
  'Health, logs and retention': {
    HEALTH_HOST: setting(text.default('127.0.0.1'), services, {
      description: 'Address that the health ports listen on.',
    }),
    EVENT_BROKER_HEALTH_PORT: healthPort('event_broker', 27_481),
    AGENTS_WORKER_HEALTH_PORT: healthPort('agents_worker', 27_482),
    USER_BACKEND_HEALTH_PORT: healthPort('user_backend', 27_483),
    ADMIN_BACKEND_HEALTH_PORT: healthPort('admin_backend', 27_484),
    DEPLOYER_HEALTH_PORT: healthPort('deployer', 27_485),
    LOG_LEVEL: setting(
      z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
      services,
      {
        description: '`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`.',
      },
    ),
    OTEL_EXPORTER_OTLP_ENDPOINT: setting(httpUrl.optional(), services, {
      description:
        'URL of an OpenTelemetry collector that takes [traces](docs/traces.md) as OTLP over HTTP, e.g. `http://127.0.0.1:4318`.',
      otherwise: 'no traces',
    }),
    OTEL_EXPORTER_OTLP_HEADERS: setting(headers.optional(), services, {
      description: 'Headers for the collector, e.g. `api-key=…`, separated by commas.',
      otherwise: 'none',
      isSecret: true,
    }),
    OTEL_TRACES_SAMPLER_ARG: setting(z.coerce.number().min(0).max(1).default(1), services, {
      description: 'Share of the traces that are recorded, from 0 to 1.',
    }),
    AUDIT_RETENTION_DAYS: setting(z.coerce.number().int().min(1).max(100_000).optional(), ['admin_backend'], {
      description: 'Time that admin_backend keeps entries of the audit log.',
      unit: 'days',
      otherwise: 'for ever',
    }),
  },
  Development: {
    STACK_PORT_BASE: setting(port.optional(), ['npm start'], {
      description: 'First of the ports that the servers of `npm start` listen on.',
      otherwise: '27430',
    }),
    STACK_DIRECTORY: setting(text.optional(), ['npm start', 'npx instances'], {
      description: 'Folder with the data of `npm start`.',
      otherwise: '`.stack/dev`',
    }),
  },
};

export const settings = z.object({
  ...settingGroups.PostgreSQL,
  ...settingGroups.RabbitMQ,
  ...settingGroups.Temporal,
  ...settingGroups.Agents,
  ...settingGroups['HTTP and tokens'],
  ...settingGroups['Health, logs and retention'],
  ...settingGroups.Development,
});

const ofTools = { RABBITMQ_MANAGEMENT_URL: true, STACK_PORT_BASE: true, STACK_DIRECTORY: true } as const;

/** The settings that every service checks at its start, also those that only another service uses. */
export const serviceSettings = settings.omit(ofTools);

export const rabbitmqSettings = settings.pick({ AMQP_URL: true, RABBITMQ_MANAGEMENT_URL: true });

/** The servers that may be named for `npm start` and the tests, which start the others themselves. */
export const serverSettings = settings
  .pick({ ...ofTools, DATABASE_URL: true, DATABASE_DIRECT_URL: true, AMQP_URL: true, CONTROL_AMQP_URL: true })
  .partial();

function isEscaped(url: string): boolean {
  if (!URL.canParse(url)) return true;
  const { username, password, pathname } = new URL(url);
  return !/%(?![\da-f]{2})/i.test(username + password + pathname);
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** A value may be percent-encoded, for commas in it. */
function decodeValue(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
