import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import type { Part } from './chart-schema.ts';

export const chartFolder = fileURLToPath(new URL('../../chart/', import.meta.url));
export const readChartFile = (name: string): Promise<string> => readFile(join(chartFolder, name), 'utf8');

const secrets = z.object({
  required: z.array(z.string()),
  optional: z.array(z.string()).default([]),
  unlessSet: z.record(z.string(), z.string()).default({}),
});
const job = z.object({
  values: z.string().transform((name) => name as Part),
  command: z.array(z.string()),
  servers: z.array(z.string()),
  secrets,
});
const processes = z.object({
  processes: z.record(
    z.string(),
    job.extend({ healthPort: z.string(), httpPort: z.string().optional(), readyPath: z.string() }),
  ),
  jobs: z.array(job.extend({ name: z.string() })),
});

/** `chart/processes.yaml` */
export const readProcesses = async (): Promise<z.infer<typeof processes>> =>
  processes.parse(parse(await readChartFile('processes.yaml')));

/** The values without which the chart is refused. */
export const leastValues: Values = {
  image: { repository: 'registry.example.com/instance-engine' },
  settings: { TEMPORAL_ADDRESS: 'temporal.example.com:7233' },
};

export interface Values {
  [name: string]: unknown;
}

interface Container {
  name: string;
  image: string;
  args: string[];
  env: {
    name: string;
    value?: string;
    valueFrom?: { secretKeyRef: { name: string; key: string; optional?: boolean } };
  }[];
  ports?: { name: string; containerPort: number }[];
  startupProbe?: Probe;
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  lifecycle?: { preStop: { exec: { command: string[] } } };
  resources: { requests: object; limits: object };
  securityContext: object;
  volumeMounts: { name: string; mountPath: string }[];
}

interface Probe {
  httpGet: { path: string; port: string };
  periodSeconds: number;
  failureThreshold: number;
}

export interface PodSpec {
  serviceAccountName: string;
  automountServiceAccountToken: boolean;
  enableServiceLinks: boolean;
  shareProcessNamespace?: boolean;
  securityContext: object;
  terminationGracePeriodSeconds?: number;
  containers: [Container];
  volumes: { name: string }[];
}

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels: Record<string, string>; annotations?: Record<string, string> };
  spec: {
    replicas: number;
    selector: { matchLabels: Record<string, string> };
    template: { metadata: { labels: Record<string, string> }; spec: PodSpec };
    volumeClaimTemplates?: { metadata: { name: string } }[];
    podSelector: { matchLabels: Record<string, string> };
    maxUnavailable?: number;
    policyTypes?: string[];
    ingress?: Rule[];
    egress?: Rule[];
  };
}

interface Rule {
  ports: { port: number | string; protocol: string }[];
  from?: object[];
  to?: object[];
}

/** Runs Helm on the chart, with the settings of nobody's home. The error quotes what Helm wrote. */
export async function runHelm(
  helm: string,
  command: string[],
  values: Values,
  environment: Record<string, string> = {},
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'chart-'));
  try {
    const file = join(folder, 'values.yaml');
    await writeFile(file, JSON.stringify(values));
    const env = { PATH: process.env['PATH'], HOME: folder, ...environment };
    // Without a cluster, Helm that was built without the flags of its release assumes an old one.
    const version = 'KUBECONFIG' in env ? [] : ['--kube-version', '1.34.0'];
    const args = [...command, chartFolder, '--values', file, ...version];
    return (await promisify(execFile)(helm, args, { env, maxBuffer: 16 * 1024 * 1024 })).stdout;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The objects that `helm template` makes of the chart. */
export async function render(helm: string, values: Values = leastValues): Promise<Manifest[]> {
  const text = await runHelm(helm, ['template', 'engine', '--namespace', 'default'], values);
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

/** The objects that make pods. */
export const workloadsOf = (manifests: readonly Manifest[]): Manifest[] =>
  manifests.filter(({ spec }) => spec?.template !== undefined);
