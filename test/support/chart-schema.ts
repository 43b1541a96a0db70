import { z } from 'zod';
import { documentationOf, settingGroups, type Reader } from '../../configuration/settings.ts';

/** The part of JSON Schema that the schema of the chart's values uses. */
export interface Schema {
  $schema?: string;
  $defs?: Record<string, Schema>;
  $ref?: string;
  title?: string;
  description?: string;
  type?: string | string[];
  enum?: unknown[];
  minLength?: number;
  minimum?: number;
  maximum?: number;
  pattern?: string;
  items?: Schema;
  properties?: Record<string, Schema | false>;
  patternProperties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  required?: string[];
}

/** Settings that a process, a job or all of them can be given as values, by the key of the values. */
export const readersOf = {
  eventBroker: ['event_broker'],
  agentsWorker: ['agents_worker'],
  userBackend: ['user_backend'],
  adminBackend: ['admin_backend'],
  deployer: ['deployer'],
  migrations: ['npx instances', 'npx instances migrate'],
  topology: ['npx instances', 'npx instances contracts check'],
} satisfies Record<string, Reader[]>;
export type Part = keyof typeof readersOf;

const { Development: _, ...groups } = settingGroups;
export const deployedSettings: Readonly<Record<string, z.ZodType>> = Object.assign({}, ...Object.values(groups));

/** The settings that one of the readers has, or all settings of the engine. Secrets come from Secrets. */
export function settingsOf(readers?: readonly Reader[]): { plain: string[]; secret: string[] } {
  const read = Object.entries(deployedSettings)
    .map(([name, schema]) => ({ name, ...documentationOf(schema) }))
    .filter((found) => readers === undefined || found.readers.some((reader) => readers.includes(reader)));
  return {
    plain: read.filter(({ isSecret }) => !isSecret).map(({ name }) => name),
    secret: read.filter(({ isSecret }) => isSecret).map(({ name }) => name),
  };
}

const text = (description: string): Schema => ({ description, type: 'string' });
const whole = (description: string, minimum = 0): Schema => ({ description, type: 'integer', minimum });
const flag = (description: string): Schema => ({ description, type: 'boolean' });
const free = (description: string): Schema => ({ description, type: 'object' });
const list = (description: string): Schema => ({ description, type: 'array', items: { type: 'object' } });

function closed(description: string, properties: Record<string, Schema>, required: string[] = []): Schema {
  return {
    description,
    type: 'object',
    properties,
    additionalProperties: false,
    ...(required.length > 0 && { required }),
  };
}

/** A map of settings, in which each setting has the type and the limits of `configuration/settings.ts`. */
function settingMap(description: string, readers?: readonly Reader[]): Schema {
  const { plain, secret } = settingsOf(readers);
  const hasTemporal = plain.includes('TEMPORAL_ADDRESS');
  return {
    description,
    type: 'object',
    properties: {
      ...Object.fromEntries(plain.map((name) => [name, settingSchema(name)])),
      // The pattern below would let Temporal's secrets in.
      ...Object.fromEntries(
        secret.filter((name) => name.startsWith('TEMPORAL_')).map((name) => [name, false as const]),
      ),
    },
    // Temporal's SDK reads settings of its own.
    ...(hasTemporal && { patternProperties: { '^TEMPORAL_[A-Z_]+$': { type: 'string' } } }),
    additionalProperties: false,
  };
}

function settingSchema(name: string): Schema {
  const schema = deployedSettings[name];
  if (schema === undefined) throw new Error(`${name} is no setting.`);
  const { type, ...limits } = z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' }) as Schema;
  const { description } = documentationOf(schema);
  if (type !== 'integer' && type !== 'number') {
    return {
      description,
      type: 'string',
      ...(limits.enum && { enum: limits.enum }),
      ...(limits.pattern && { pattern: limits.pattern }),
    };
  }
  const { minimum, maximum } = limits;
  return {
    description,
    type,
    ...(minimum !== undefined && { minimum }),
    ...(maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER && { maximum }),
  };
}

const image = closed('Image of all processes and jobs, as the Dockerfile builds it.', {
  repository: text('Name of the image without its tag, e.g. `registry.example.com/instance-engine`. Required.'),
  tag: text('Tag of the image. Empty: the version of the chart.'),
  pullPolicy: { description: 'When nodes pull the image.', type: 'string', enum: ['Always', 'IfNotPresent', 'Never'] },
  pullSecrets: {
    description: 'Names of Secrets with the login of the registry.',
    type: 'array',
    items: { type: 'string' },
  },
});

/** What a process and a job have in common. */
const ofPod = {
  image: {
    $ref: '#/$defs/image',
    description: 'Differs from `image` in these members, e.g. while another build is tried.',
  },
  extraEnv: list('Further variables in the form of Kubernetes (`name` with `value` or `valueFrom`).'),
  resources: free('Requests and limits of the container.'),
  podSecurityContext: free('Differs from `podSecurityContext` in these members.'),
  securityContext: free('Differs from `securityContext` in these members.'),
  podLabels: free('Further labels of the pods.'),
  podAnnotations: free('Annotations of the pods.'),
  nodeSelector: free('Labels of the nodes that the pods may run on.'),
  tolerations: list('Taints of nodes that the pods tolerate.'),
  affinity: free('Affinity of the pods.'),
  priorityClassName: text('Priority class of the pods.'),
  extraVolumes: list('Further volumes.'),
  extraVolumeMounts: list('Where the further volumes are mounted.'),
} satisfies Record<string, Schema>;

const ofProcess = {
  replicas: whole('Number of pods.'),
  ...ofPod,
  preStopSeconds: whole(
    'Time between the removal of a pod from its Service and SIGTERM, for nodes that still send connections.',
    1,
  ),
  terminationGracePeriodSeconds: whole(
    'Time for a pod to end. Without it: 30 s, because a process ends by itself within 27 s of SIGTERM, and `preStopSeconds`.',
    30,
  ),
  topologySpreadConstraints: list('How the pods are spread. Without it: over nodes, where that can be.'),
} satisfies Record<string, Schema>;

const ownSettings = 'Settings that it reads. They go before `settings`.';
const extraEgress = list('Further rules of egress of its network policy, in the form of Kubernetes.');
const secretOf = (keys: string): Schema => ({
  ...text(`Name of its existing Secret. Its keys: ${keys}.`),
  minLength: 1,
});

function processValues(
  part: Exclude<Part, 'migrations' | 'topology'>,
  secret: string,
  further: Record<string, Schema> = {},
) {
  const name = readersOf[part][0];
  return closed(`Values of ${name}.`, {
    ...ofProcess,
    secret: secretOf(secret),
    settings: settingMap(ownSettings, readersOf[part]),
    extraEgress,
    ...further,
  });
}

function jobValues(part: 'migrations' | 'topology', description: string, secret: string): Schema {
  return closed(description, {
    enabled: flag('Whether the job runs. Where it does not, its command has to be run before an upgrade.'),
    ...ofPod,
    secret: secretOf(secret),
    settings: settingMap(ownSettings, readersOf[part]),
    extraEgress,
  });
}

const backend = {
  service: closed('Service of the HTTP port.', {
    type: { description: 'Type of the Service.', type: 'string', enum: ['ClusterIP', 'NodePort', 'LoadBalancer'] },
    port: { ...whole('Port of the Service.', 1), maximum: 65_535 },
    annotations: free('Annotations of the Service.'),
  }),
};

const tokens = '`DATABASE_URL`, `AMQP_URL` and, without the setting `JWT_JWKS_URL`, `JWT_SECRET`';
const ofTemporal = '`TEMPORAL_API_KEY` and `TEMPORAL_TLS_CLIENT_KEY_DATA`';
const storage = closed(
  'Keeps the folder of process agents in a volume for each pod, which a StatefulSet then makes. Without it, the folder ends with its pod.',
  {
    size: { ...text('Size of the volume, e.g. `1Gi`.'), pattern: '^[0-9]+([KMGT]i?)?$' },
    className: text('Storage class of the volume. Without it: that of the cluster.'),
  },
  ['size'],
);

const agentsWorker = processValues(
  'agentsWorker',
  `\`DATABASE_URL\`, \`AMQP_URL\` and, if wanted, \`CONTROL_AMQP_URL\`, ${ofTemporal}`,
  {
    storage,
    serviceAccount: closed('Service account of the pods, for a runtime that uses the API of the cluster.', {
      name: text('Name of an existing service account. Empty: one without rights is made.'),
      token: flag('Whether the pods get its token.'),
    }),
  },
);
const { groups: __, serviceAccount: ___, ...ofGroup } = (agentsWorker.properties ?? {}) as Record<string, Schema>;
agentsWorker.properties = {
  ...agentsWorker.properties,
  groups: {
    description:
      'Groups of pods by name, each with a Deployment of its own. A group may differ in any of the values above but `serviceAccount` and `extraEgress`; an empty one differs in nothing. A second group carries a new build, or is a host with labels of its own.',
    type: 'object',
    patternProperties: { '^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$': { $ref: '#/$defs/group' } },
    additionalProperties: false,
  },
};
delete ofGroup['extraEgress'];
ofGroup['storage'] = { ...storage, type: ['object', 'null'] };

const peers = (what: string): Schema => list(`${what}, as peers of a network policy. None: any address.`);
const egress = (server: string): Schema =>
  closed(`Where ${server} is.`, {
    ports: {
      description: `Ports of ${server}.`,
      type: 'array',
      items: { type: 'integer', minimum: 1, maximum: 65_535 },
    },
    to: peers(`Addresses of ${server}`),
  });

/** The schema of the values, `chart/values.schema.json`. */
export const valuesSchema: Schema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Values of the chart instance-engine',
  type: 'object',
  properties: {
    global: free('Values that Helm passes to every chart. This one reads none.'),
    image: {
      ...image,
      properties: {
        ...image.properties,
        repository: { ...(image.properties?.['repository'] as Schema), minLength: 1 },
      },
      required: ['repository'],
    },
    settings: {
      ...settingMap(
        'Settings of every process and job, as [the README describes them](../README.md#on-your-own-servers). Secrets are none of them.',
      ),
      required: ['TEMPORAL_ADDRESS'],
    },
    certificates: closed('Files that are mounted at `/etc/instance-engine/certificates`.', {
      configMap: text('ConfigMap with files for `/etc/instance-engine/certificates`, e.g. for `AMQP_CA_FILE`.'),
      secret: text('Secret with files for the same folder.'),
    }),
    podSecurityContext: free('Security context of all pods.'),
    securityContext: free('Security context of all containers.'),
    eventBroker: processValues('eventBroker', '`DATABASE_URL`, `AMQP_URL` and, behind a pooler, `DATABASE_DIRECT_URL`'),
    agentsWorker,
    userBackend: processValues('userBackend', `${tokens}; if wanted ${ofTemporal}`, backend),
    adminBackend: processValues('adminBackend', tokens, backend),
    deployer: processValues('deployer', `\`DATABASE_URL\`, \`AMQP_URL\` and, if wanted, ${ofTemporal}`),
    migrations: jobValues(
      'migrations',
      'Job that brings the database up to date, before each installation and upgrade.',
      '`DATABASE_URL` of the owner, behind a pooler `DATABASE_DIRECT_URL`, and the passwords that logins are to get (`EVENT_BROKER_DATABASE_PASSWORD`, …)',
    ),
    topology: jobValues(
      'topology',
      'Job that creates exchanges, queues, accounts and rights at RabbitMQ, before each installation and upgrade.',
      '`AMQP_URL` of an administrator, where it is elsewhere `RABBITMQ_MANAGEMENT_URL`, and the passwords that new accounts are to get (`EVENT_BROKER_AMQP_PASSWORD`, …)',
    ),
    networkPolicy: closed(
      'Policies that let each pod reach its own servers alone, and let nobody but clients reach a pod.',
      {
        enabled: flag('Whether the policies are made.'),
        clients: peers('Who may reach the HTTP ports'),
        scrapers: list(
          'Who may read metrics at the health ports, as peers of a network policy. None: nobody. `[{}]`: every pod of the namespace.',
        ),
        dns: egress('the name server'),
        postgres: egress('PostgreSQL'),
        rabbitmq: egress('RabbitMQ'),
        rabbitmqManagement: egress("RabbitMQ's management API"),
        temporal: egress('Temporal'),
        keys: egress('the server of `JWT_JWKS_URL`'),
        collector: egress('the collector of `OTEL_EXPORTER_OTLP_ENDPOINT`'),
      },
    ),
  },
  additionalProperties: false,
  $defs: {
    image,
    group: {
      description: 'What differs in a group.',
      type: ['object', 'null'],
      properties: ofGroup,
      additionalProperties: false,
    },
  },
};

const settingsSchema = valuesSchema.properties?.['settings'];
if (settingsSchema && settingsSchema.properties) {
  Object.assign(settingsSchema.properties['TEMPORAL_ADDRESS'] as Schema, { minLength: 1 });
}

/** The schema of the value at a path. @throws Error when there is none */
export function schemaOf(...path: string[]): Schema {
  return path.reduce((schema, name) => {
    const found = schema.properties?.[name];
    if (!found) throw new Error(`${path.join('.')} is no value`);
    return found;
  }, valuesSchema);
}
