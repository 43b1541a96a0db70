import { describe, expect, inject, test } from 'vitest';
import { accountNames } from '../../contracts/access.ts';
import { readConfiguration } from '../../configuration/configuration.ts';
import { secretVariables } from '../../configuration/secrets.ts';
import {
  leastValues,
  readProcesses,
  render,
  runHelm,
  workloadsOf,
  type Manifest,
  type PodSpec,
  type Values,
} from '../support/chart.ts';
import { deployedSettings, readersOf, schemaOf, settingsOf, type Schema } from '../support/chart-schema.ts';
import { readComposeFile } from '../support/compose-file.ts';

const program = inject('helm');
const helm = program ?? '';
const { processes, jobs } = await readProcesses();
const everyPart = [...Object.entries(processes), ...jobs.map((job) => [job.name, job] as const)];

const partOf = ({ metadata }: Manifest): string => metadata.labels['app.kubernetes.io/component'] ?? '';
const podOf = ({ spec }: Manifest): PodSpec => spec.template.spec;
const find = (manifests: readonly Manifest[], kind: string, part: string): Manifest => {
  const found = manifests.find((manifest) => manifest.kind === kind && partOf(manifest) === part);
  if (!found) throw new Error(`there is no ${kind} of ${part}`);
  return found;
};
const selects = (selector: Record<string, string>, labels: Record<string, string>): boolean =>
  Object.entries(selector).every(([name, value]) => labels[name] === value);

/** Stands for the value of a key of a Secret. */
function valueOfKey(name: string, part: string): string {
  const login = part.replace('-', '_');
  if (name.includes('AMQP_URL')) return `amqp://${name === 'AMQP_URL' ? login : 'agents'}@rabbitmq`;
  if (name.includes('DATABASE')) return `postgres://${login}@postgres/shared_psql`;
  return name === 'OTEL_EXPORTER_OTLP_HEADERS' ? 'api-key=x' : 'x'.repeat(32);
}

/** The environment that the first container of a workload gets, if its Secret has every required key, and every other one where said. */
function environmentOf(manifest: Manifest, { withOptional = false } = {}): Record<string, string> {
  const entries = podOf(manifest).containers[0].env.flatMap(({ name, value, valueFrom }): [string, string][] => {
    if (value !== undefined) return [[name, value]];
    return valueFrom?.secretKeyRef.optional && !withOptional ? [] : [[name, valueOfKey(name, partOf(manifest))]];
  });
  return Object.fromEntries(entries);
}

/** A value that the schema allows and that is no default. */
function otherValueOf(name: string, { type, enum: allowed, minimum = 0, maximum, pattern }: Schema): string | number {
  if (allowed) return String(allowed.at(-1));
  if (maximum === 1) return 0.5;
  if (type === 'integer' || type === 'number') return minimum + (name.endsWith('_PORT') ? 4321 : 7);
  if (name === 'HOST_LABELS') return 'zone=a,disk=ssd';
  if (name === 'ALLOWED_RUNTIMES') return 'process';
  if (name === 'AGENT_UIDS') return '20000-29999';
  if (name.endsWith('_HOST') && name.startsWith('DOCKER')) return 'tcp://docker.example.com:2376';
  return pattern === undefined && name.endsWith('_URL') ? 'https://example.com/x' : 'some-value';
}

describe.skipIf(program === null)('the chart', () => {
  test('is refused without what nobody can know, and each missing value is named', async () => {
    const refused = runHelm(helm, ['template', 'engine'], {});
    await expect(refused).rejects.toThrow(/image\/repository/);
    await expect(refused).rejects.toThrow(/settings\/TEMPORAL_ADDRESS/);
  });

  test('is without fault by the rules of helm lint', async () => {
    expect(await runHelm(helm, ['lint', '--strict'], leastValues)).toContain('0 chart(s) failed');
  });

  test('runs every process and every job', async () => {
    const workloads = workloadsOf(await render(helm));
    expect(workloads.map(({ kind, ...rest }) => `${kind} ${partOf(rest as Manifest)}`).toSorted()).toEqual(
      [...Object.keys(processes).map((name) => `Deployment ${name}`), 'Job migrations', 'Job topology'].toSorted(),
    );
  });

  test('sets no variable that is neither a setting nor a password of an account', async () => {
    const known = new Set([...Object.keys(deployedSettings), ...secretVariables]);
    const names = workloadsOf(await render(helm)).flatMap((found) =>
      podOf(found).containers[0].env.map(({ name }) => name),
    );
    expect(names.filter((name) => !known.has(name))).toEqual([]);
    expect(new Set(names)).toContain('DATABASE_URL');
  });

  test.each(Object.keys(processes))(
    'sets all that %s needs, as its own login, with or without optional keys',
    async (part) => {
      const needsTokens = part.endsWith('backend');
      const workload = find(await render(helm), 'Deployment', part);
      const login = part.replace('-', '_');
      for (const withOptional of [false, true]) {
        expect(readConfiguration(environmentOf(workload, { withOptional }), { needsTokens })).toMatchObject({
          databaseUrl: `postgres://${login}@postgres/shared_psql`,
          amqpUrl: `amqp://${login}@rabbitmq`,
          temporal: { connection: { address: 'temporal.example.com:7233' }, namespace: 'default' },
          healthHost: '0.0.0.0',
        });
      }
    },
  );

  test('asks for JWT_SECRET only where no issuer publishes keys, because both together are refused', async () => {
    const address = 'https://login.example.com/keys';
    const values = { ...leastValues, settings: { TEMPORAL_ADDRESS: 'x:1', JWT_JWKS_URL: address } };
    for (const part of ['user-backend', 'admin-backend']) {
      const environment = environmentOf(find(await render(helm, values), 'Deployment', part), { withOptional: true });
      expect(environment).not.toHaveProperty('JWT_SECRET');
      expect(readConfiguration(environment, { needsTokens: true })).toMatchObject({
        http: { tokens: { key: { jwksUrl: address } } },
      });
    }
  });

  test.each(everyPart)('passes on every setting that %s reads', async (part, { values: key }) => {
    const names = settingsOf(readersOf[key]).plain;
    const given = Object.fromEntries(names.map((name) => [name, otherValueOf(name, schemaOf(key, 'settings', name))]));
    const values = { ...leastValues, [key]: { settings: given } };
    const workload = workloadsOf(await render(helm, values)).find((found) => partOf(found) === part) as Manifest;
    expect(environmentOf(workload)).toMatchObject(
      Object.fromEntries(Object.entries(given).map(([name, value]) => [name, String(value)])),
    );
    expect(names).toContain('DATABASE_CA_FILE');
  });

  test('writes numbers as they are, however large', async () => {
    const values = {
      ...leastValues,
      agentsWorker: { settings: { HOST_CAPACITY: 1_000_000, HOST_LEASE_SECONDS: 1.5 } },
    };
    expect(environmentOf(find(await render(helm, values), 'Deployment', 'agents-worker'))).toMatchObject({
      HOST_CAPACITY: '1000000',
      HOST_LEASE_SECONDS: '1.5',
    });
  });

  test('takes further variables, and the settings of Temporal that its SDK reads', async () => {
    const values = {
      ...leastValues,
      settings: {
        TEMPORAL_ADDRESS: 'x:1',
        TEMPORAL_TLS_SERVER_CA_CERT_PATH: '/etc/instance-engine/certificates/ca.pem',
      },
      agentsWorker: { extraEnv: [{ name: 'SOME_VARIABLE', value: 'x' }] },
    };
    expect(environmentOf(find(await render(helm, values), 'Deployment', 'agents-worker'))).toMatchObject({
      SOME_VARIABLE: 'x',
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: '/etc/instance-engine/certificates/ca.pem',
    });
  });

  test.each([
    ['a value that it does not know', { eventBrokers: {} }, /eventBrokers/],
    ['a setting that does not exist', { settings: { LOG_LEVELS: 'info' } }, /LOG_LEVELS/],
    ['a setting of another process', { deployer: { settings: { USER_BACKEND_PORT: 1 } } }, /USER_BACKEND_PORT/],
    ['a setting beyond its limits', { userBackend: { settings: { USER_BACKEND_PORT: 70_000 } } }, /USER_BACKEND_PORT/],
    ['a setting that is none of its values', { settings: { LOG_LEVEL: 'loud' } }, /LOG_LEVEL/],
    ['a URL with a password', { eventBroker: { settings: { DATABASE_URL: 'postgres://a:b@c/d' } } }, /DATABASE_URL/],
    ["Temporal's API key", { settings: { TEMPORAL_API_KEY: 'x' } }, /TEMPORAL_API_KEY/],
    ['less time to end than a process takes', { deployer: { terminationGracePeriodSeconds: 20 } }, /terminationGrace/],
    ['a name of a group that names no Deployment', { agentsWorker: { groups: { 'Build 1': {} } } }, /Build 1/],
  ] as [string, Values, RegExp][])('refuses %s', async (_, values, named) => {
    const settings = { ...(leastValues['settings'] as Values), ...(values['settings'] as Values | undefined) };
    await expect(render(helm, { ...leastValues, ...values, settings })).rejects.toThrow(named);
  });

  test('runs migrations, and then topology, before anything else is created or changed', async () => {
    const manifests = await render(helm);
    const hooks = manifests.filter(({ metadata }) => metadata.annotations?.['helm.sh/hook'] !== undefined);
    const weightOf = ({ metadata }: Manifest): number => Number(metadata.annotations?.['helm.sh/hook-weight']);
    expect(hooks.toSorted((a, b) => weightOf(a) - weightOf(b)).map((hook) => `${hook.kind} ${partOf(hook)}`)).toEqual([
      'ServiceAccount migrations',
      'NetworkPolicy migrations',
      'Job migrations',
      'ServiceAccount topology',
      'NetworkPolicy topology',
      'Job topology',
    ]);
    for (const { metadata } of hooks) expect(metadata.annotations?.['helm.sh/hook']).toBe('pre-install,pre-upgrade');
    expect(new Set(hooks.map(weightOf)).size).toBe(hooks.length);
  });

  test('leaves out a job that somebody else does', async () => {
    const parts = (await render(helm, { ...leastValues, topology: { enabled: false } })).map(partOf);
    expect(parts).toContain('migrations');
    expect(parts).not.toContain('topology');
  });

  test('probes the port of the health of each process, and gives its pod more time to end than its preparation takes', async () => {
    const workloads = workloadsOf(await render(helm)).filter(({ kind }) => kind !== 'Job');
    for (const workload of workloads) {
      const { containers, terminationGracePeriodSeconds } = podOf(workload);
      const [{ ports = [], startupProbe, livenessProbe, readinessProbe, lifecycle }] = containers;
      const process = processes[partOf(workload)];
      const port = Number(environmentOf(workload)[process?.healthPort ?? '']);
      expect(ports).toContainEqual({ name: 'health', containerPort: port });
      expect(startupProbe?.httpGet).toEqual({ path: '/live', port: 'health' });
      expect(livenessProbe?.httpGet).toEqual({ path: '/live', port: 'health' });
      const path = partOf(workload) === 'event-broker' ? '/ready-or-standby' : '/ready';
      expect(readinessProbe?.httpGet).toEqual({ path, port: 'health' });
      const preparation = Number(lifecycle?.preStop.exec.command[1] ?? 0);
      expect(terminationGracePeriodSeconds).toBe(30 + preparation);
    }
  });

  test('closes every pod: no root, no rights, no token, no writable root filesystem, no variables of other Services', async () => {
    for (const workload of workloadsOf(await render(helm))) {
      const { containers, ...pod } = podOf(workload);
      expect(pod).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      expect(containers[0].securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(containers[0].resources).toMatchObject({
        requests: { cpu: expect.any(String) },
        limits: { memory: expect.any(String) },
      });
    }
  });

  test('every process has an account of its own, and agents_worker can be given one with a token', async () => {
    const accounts = workloadsOf(await render(helm)).map((found) => podOf(found).serviceAccountName);
    expect(new Set(accounts).size).toBe(accounts.length);
    const values = { ...leastValues, agentsWorker: { serviceAccount: { name: 'agents', token: true } } };
    const manifests = await render(helm, values);
    expect(podOf(find(manifests, 'Deployment', 'agents-worker'))).toMatchObject({
      serviceAccountName: 'agents',
      automountServiceAccountToken: true,
    });
    expect(podOf(find(manifests, 'Deployment', 'user-backend')).automountServiceAccountToken).toBe(false);
    expect(() => find(manifests, 'ServiceAccount', 'agents-worker')).toThrow('there is no');
  });

  test('a budget and a Service select the pods of one process each', async () => {
    const manifests = await render(helm);
    const workloads = workloadsOf(manifests);
    for (const part of Object.keys(processes)) {
      const { spec } = find(manifests, 'PodDisruptionBudget', part);
      const chosen = workloads.filter((found) =>
        selects(spec.selector.matchLabels, found.spec.template.metadata.labels),
      );
      expect(chosen.map(partOf)).toEqual([part]);
      expect(spec.maxUnavailable).toBe(1);
    }
    for (const part of ['user-backend', 'admin-backend']) {
      const selector = find(manifests, 'Service', part).spec.selector as unknown as Record<string, string>;
      const chosen = workloads.filter((found) => selects(selector, found.spec.template.metadata.labels));
      expect(chosen.map(partOf)).toEqual([part]);
    }
  });

  test('by default nothing reaches a pod or is reached by it, and each process reaches its own servers alone', async () => {
    const manifests = await render(helm);
    const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy');
    const serverOfPort: Record<string, string> = {
      5432: 'postgres',
      5672: 'rabbitmq',
      15672: 'rabbitmq',
      7233: 'temporal',
      53: 'dns',
    };
    const reached: Record<string, string[]> = {};
    for (const workload of workloadsOf(manifests)) {
      const { labels } = workload.spec.template.metadata;
      const applied = policies.filter(({ spec }) => selects(spec.podSelector.matchLabels, labels));
      expect(applied[0]?.spec).toMatchObject({ policyTypes: ['Ingress', 'Egress'] });
      const [deny, own] = applied.toSorted((a, b) => Number(partOf(a) !== '') - Number(partOf(b) !== ''));
      expect(deny?.spec.ingress ?? deny?.spec.egress).toBeUndefined();
      expect(applied).toHaveLength(2);
      const ports = own?.spec.egress?.flatMap((rule) => rule.ports.map(({ port }) => String(port))) ?? [];
      reached[partOf(workload)] = [...new Set(ports.map((port) => serverOfPort[port] ?? port))].filter(
        (name) => name !== 'dns',
      );
      const isBackend = processes[partOf(workload)]?.httpPort !== undefined;
      expect(own?.spec.ingress?.flatMap((rule) => rule.ports)).toEqual(
        isBackend ? [{ port: 'http', protocol: 'TCP' }] : undefined,
      );
    }
    const services = await readComposeFile();
    const servers = new Set(['postgres', 'rabbitmq', 'temporal']);
    const ofCompose = (name: string): string[] =>
      Object.keys(services).filter(
        (other) =>
          servers.has(other) && services[other]?.networks.some((net) => services[name]?.networks.includes(net)),
      );
    for (const [part, found] of Object.entries(reached)) {
      expect([part, found.toSorted()]).toEqual([part, ofCompose({ migrations: 'migrate' }[part] ?? part).toSorted()]);
    }
  });

  test('the policies name the addresses of servers and clients where these are given', async () => {
    const database = { ipBlock: { cidr: '10.1.2.3/32' } };
    const client = { namespaceSelector: { matchLabels: { name: 'ingress' } } };
    const manifests = await render(helm, {
      ...leastValues,
      settings: { TEMPORAL_ADDRESS: 'x:1', JWT_JWKS_URL: 'https://login.example.com/keys' },
      networkPolicy: { postgres: { ports: [6432], to: [database] }, clients: [client] },
    });
    const { ingress, egress } = find(manifests, 'NetworkPolicy', 'user-backend').spec;
    expect(ingress).toEqual([{ ports: [{ port: 'http', protocol: 'TCP' }], from: [client] }]);
    expect(egress).toContainEqual({ ports: [{ port: 6432, protocol: 'TCP' }], to: [database] });
    expect(egress).toContainEqual({ ports: [{ port: 443, protocol: 'TCP' }] });
    const without = await render(helm, { ...leastValues, networkPolicy: { enabled: false } });
    expect(without.map(({ kind }) => kind)).not.toContain('NetworkPolicy');
  });

  test('lets the scrapers of metrics reach the health ports, and every process reach the collector of traces', async () => {
    const scraper = { namespaceSelector: { matchLabels: { name: 'monitoring' } } };
    const manifests = await render(helm, {
      ...leastValues,
      settings: { TEMPORAL_ADDRESS: 'temporal:7233', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' },
      networkPolicy: { scrapers: [scraper] },
    });
    for (const [part, { httpPort }] of Object.entries(processes)) {
      const { ingress, egress } = find(manifests, 'NetworkPolicy', part).spec;
      expect(ingress).toHaveLength(httpPort === undefined ? 1 : 2);
      expect(ingress).toContainEqual({ ports: [{ port: 'health', protocol: 'TCP' }], from: [scraper] });
      expect(egress).toContainEqual({ ports: [{ port: 4318, protocol: 'TCP' }] });
    }
  });

  test('two builds of agents_worker run side by side, each with its image and its id', async () => {
    const build = (tag: string): Values => ({ image: { tag }, settings: { TEMPORAL_WORKER_BUILD_ID: `${tag}-1` } });
    const values = {
      ...leastValues,
      agentsWorker: {
        settings: { TEMPORAL_DEPLOYMENT_NAME: 'agents-worker' },
        groups: { main: null, old: build('1.4.0'), new: build('1.5.0') },
      },
    };
    const workers = workloadsOf(await render(helm, values)).filter((found) => partOf(found) === 'agents-worker');
    const found = workers.map((worker) => ({
      name: worker.metadata.name,
      image: podOf(worker).containers[0].image,
      build: readConfiguration(environmentOf(worker)).build,
      chosen: workers.filter((other) => selects(worker.spec.selector.matchLabels, other.spec.template.metadata.labels))
        .length,
    }));
    const repository = 'registry.example.com/instance-engine';
    const expected = (name: string, tag: string) => ({
      name: `engine-instance-engine-agents-worker-${name}`,
      image: `${repository}:${tag}`,
      build: { deploymentName: 'agents-worker', buildId: `${tag}-1` },
      chosen: 1,
    });
    expect(found).toEqual([expected('new', '1.5.0'), expected('old', '1.4.0')]);
  });

  test('what a group or a process sets goes before what all have, also where it is nothing', async () => {
    const values = {
      ...leastValues,
      settings: { TEMPORAL_ADDRESS: 'x:1', LOG_LEVEL: 'warn' },
      agentsWorker: {
        storage: { size: '1Gi' },
        settings: { LOG_LEVEL: 'debug', CONTROL_HEAD_START_SECONDS: 3, HOST_NAME: 'shared' },
        podSecurityContext: { runAsNonRoot: false, runAsUser: 0 },
        groups: {
          main: {
            replicas: 0,
            storage: null,
            settings: { LOG_LEVEL: 'error', CONTROL_HEAD_START_SECONDS: 0, HOST_NAME: '' },
          },
        },
      },
    };
    const workload = find(await render(helm, values), 'Deployment', 'agents-worker');
    expect(workload.spec.replicas).toBe(0);
    expect(podOf(workload).securityContext).toMatchObject({ runAsNonRoot: false, runAsUser: 0, runAsGroup: 1000 });
    expect(environmentOf(workload)).toMatchObject({ LOG_LEVEL: 'error', CONTROL_HEAD_START_SECONDS: '0' });
    expect(environmentOf(workload)).not.toHaveProperty('HOST_NAME');
  });

  test('a folder that is kept belongs to a StatefulSet, whose pods are hosts that never run twice', async () => {
    const values = { ...leastValues, agentsWorker: { storage: { size: '1Gi' } } };
    const { spec } = find(await render(helm, values), 'StatefulSet', 'agents-worker');
    expect(spec.volumeClaimTemplates?.map(({ metadata }) => metadata.name)).toEqual(['instances']);
    expect(spec.template.spec.volumes.map(({ name }) => name)).not.toContain('instances');
    expect(spec.template.spec.containers[0].volumeMounts).toContainEqual({
      name: 'instances',
      mountPath: '/var/lib/instances',
    });
  });

  test('what agents leave behind is reaped, because the processes of a pod of agents_worker share one init', async () => {
    const workloads = workloadsOf(await render(helm));
    const sharing = workloads.filter((found) => podOf(found).shareProcessNamespace).map(partOf);
    expect(sharing).toEqual(['agents-worker']);
  });

  test('certificates of private authorities are mounted everywhere', async () => {
    const workloads = workloadsOf(await render(helm, { ...leastValues, certificates: { configMap: 'authorities' } }));
    for (const workload of workloads) {
      expect(podOf(workload).containers[0].volumeMounts.map(({ mountPath }) => mountPath)).toContain(
        '/etc/instance-engine/certificates',
      );
      expect(podOf(workload).volumes.map(({ name }) => name)).toContain('certificates');
    }
  });

  test('names every account whose password the jobs give', async () => {
    const workloads = workloadsOf(await render(helm));
    const names = workloads.flatMap((found) => podOf(found).containers[0].env.map(({ name }) => name));
    const accounts = names.flatMap((name) => /^(.*)_AMQP_PASSWORD$/.exec(name)?.[1]?.toLowerCase() ?? []);
    expect(accounts.toSorted()).toEqual([...accountNames].toSorted());
  });
});
