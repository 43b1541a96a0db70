import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { leastValues, render, type Manifest, type Values } from '../support/chart.ts';
import { callApi } from '../support/kubernetes/api.ts';

const program = inject('helm');
const given = inject('kubernetesApi');
const helm = program ?? '';
const kubeconfig = given?.kubeconfig ?? '';
const namespace = `chart-${randomUUID().slice(0, 8)}`;

const resourceOf: Record<string, string> = {
  Deployment: 'deployments',
  StatefulSet: 'statefulsets',
  Job: 'jobs',
  Service: 'services',
  ServiceAccount: 'serviceaccounts',
  NetworkPolicy: 'networkpolicies',
  PodDisruptionBudget: 'poddisruptionbudgets',
};

/** What the API server says to an object that it is to check and not to keep; a field that it does not know is an error. */
async function dryRun(manifest: Manifest): Promise<string> {
  const { apiVersion, kind, metadata } = manifest;
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const resource = resourceOf[kind];
  if (resource === undefined) throw new Error(`${kind} is an object that this test does not know`);
  const options = 'dryRun=All&fieldManager=chart-test&fieldValidation=Strict';
  const path = `${group}/namespaces/${namespace}/${resource}/${metadata.name}?${options}`;
  const { status, answer } = await callApi(kubeconfig, { method: 'PATCH', path, body: manifest });
  return `${kind} ${metadata.name}: ${status < 300 ? 'passes' : `${status} ${answer.message}`}`;
}

describe.skipIf(program === null || given === null)('an API server of Kubernetes', () => {
  beforeAll(async () => {
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } };
    const { status, answer } = await callApi(kubeconfig, { method: 'POST', path: '/api/v1/namespaces', body });
    if (status !== 201) throw new Error(`the namespace cannot be created: ${status} ${answer.message}`);
  });
  afterAll(() => callApi(kubeconfig, { method: 'DELETE', path: `/api/v1/namespaces/${namespace}` }));

  const everything = {
    ...leastValues,
    certificates: { configMap: 'authorities', secret: 'certificate' },
    networkPolicy: {
      clients: [{ namespaceSelector: { matchLabels: { name: 'ingress' } } }],
      postgres: { to: [{ ipBlock: { cidr: '10.1.2.3/32' } }] },
    },
    agentsWorker: {
      storage: { size: '1Gi', className: 'fast' },
      extraEnv: [{ name: 'SOME_VARIABLE', value: 'x' }],
      extraEgress: [{ ports: [{ port: 2376, protocol: 'TCP' }] }],
      tolerations: [{ key: 'agents', operator: 'Exists' }],
      nodeSelector: { disk: 'ssd' },
      groups: { second: { image: { tag: '1.5.0' }, storage: null } },
    },
    userBackend: { service: { type: 'LoadBalancer' }, podAnnotations: { example: 'x' }, priorityClassName: 'high' },
  };

  test.each([
    ['the least values', leastValues],
    ['most values', everything],
  ] as [string, Values][])('accepts every object of the chart with %s', async (_, values) => {
    const manifests = await render(helm, values);
    const answers = await Promise.all(manifests.map((manifest) => dryRun(manifest)));
    expect(answers.filter((answer) => !answer.endsWith(': passes'))).toEqual([]);
    expect(answers.length).toBeGreaterThan(20);
  });

  test('accepts the pods of the chart where only closed pods are allowed', async () => {
    const manifests = (await render(helm)).filter(({ spec }) => spec?.template !== undefined);
    for (const { metadata, spec } of manifests) {
      // Pods name service accounts that exist.
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: metadata.name, labels: spec.template.metadata.labels },
        spec: { ...spec.template.spec, serviceAccountName: 'default' },
      };
      const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
      await callApi(kubeconfig, {
        method: 'POST',
        path: `/api/v1/namespaces/${namespace}/serviceaccounts`,
        body: account,
      });
      const path = `/api/v1/namespaces/${namespace}/pods?dryRun=All&fieldValidation=Strict`;
      const { status, answer } = await callApi(kubeconfig, { method: 'POST', path, body: pod });
      expect([metadata.name, status, answer.message]).toEqual([metadata.name, 201, undefined]);
    }
  });

  test('refuses an object with a field that Kubernetes does not know, so that the tests above can fail', async () => {
    const [first] = await render(helm);
    const wrong = { ...first, spec: { ...first?.spec, podSelectors: {} } } as unknown as Manifest;
    expect(await dryRun(wrong)).toMatch(/400|500|podSelectors/);
  });
});
