import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiException } from '@kubernetes/client-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { asStartFailure, asUnavailable, reasonOf } from '../../../runtimes/kubernetes/cluster-error.ts';
import { openCluster } from '../../../runtimes/kubernetes/cluster.ts';
import { SpecRejected } from '../../../runtimes/runtime.ts';

const address = { server: 'https://10.0.0.1', namespace: 'agents' };
const answer = (code: number, message: string) =>
  new ApiException(code, 'Unknown API Status Code!', JSON.stringify({ kind: 'Status', message }), { audit: 'x' });

describe('an answer of the API server', () => {
  test.each([
    [403, 'pods "a" is forbidden: User "w" cannot create resource "pods" in API group ""', /lacks a right.*manifests/],
    [403, 'pods "a" is forbidden: exceeded quota: q, requested: pods=1', /quota of the namespace agents is used up/],
    [404, 'namespaces "agents" not found', /no namespace agents.*KUBERNETES_NAMESPACE/],
    [401, 'Unauthorized', /does not accept the login/],
    [
      500,
      'etcdserver: leader changed',
      /does not answer: etcdserver: leader changed\. Start it, or correct KUBECONFIG\.$/,
    ],
    [
      429,
      'Too many requests, please try again later.',
      /cannot do this now: Too many requests, please try again later\.$/,
    ],
  ])('%d is explained: %s', (code, message, expected) => {
    const error = asUnavailable(answer(code, message), address);
    expect(error.message).toMatch(expected);
    expect(error.message).not.toMatch(/HTTP-Code|audit/);
  });

  test.each([
    [422, 'Pod "a" is invalid: spec.containers[0].resources.requests: Invalid value: "9"', true],
    [403, 'pods "a" is forbidden: violates PodSecurity "restricted:latest": runAsUser=0', true],
    [403, 'pods "a" is forbidden: maximum cpu usage per Container is 1, but limit is 2', true],
    [403, 'pods "a" is forbidden: exceeded quota: q, requested: pods=1', false],
    [403, 'pods "a" is forbidden: User "w" cannot create resource "pods" in API group ""', false],
    [
      403,
      'pods "a" is forbidden: unable to create new content in namespace agents because it is being terminated',
      false,
    ],
    [
      403,
      'pods "a" is forbidden: error looking up service account a/default: serviceaccount "default" not found',
      false,
    ],
    [409, 'pods "a" already exists', false],
    [500, 'Internal error', false],
  ])('%d to a start is the fault of the agent or not: %s', (code, message, isFault) => {
    const error = asStartFailure(answer(code, message));
    expect(error instanceof SpecRejected).toBe(isFault);
    expect(reasonOf(error)).toContain(message);
  });

  test('that is no JSON is told by its status', () => {
    expect(reasonOf(new ApiException(502, 'x', '<html>', {}))).toBe('the API server answered with status 502');
  });
});

test('a connection that fails is told with its reason', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:443'), { code: 'ECONNREFUSED' });
  expect(asUnavailable(refused, address).message).toBe(
    'The API server of Kubernetes at https://10.0.0.1 does not answer: connect ECONNREFUSED 10.0.0.1:443. Start it, or correct KUBECONFIG.',
  );
});

test('a kubeconfig file that cannot be used is told at once, with its name', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const kubeconfig = join(folder, 'config');
  const open = () => openCluster({ namespace: 'agents', kubeconfig });
  expect(open).toThrow(/The kubeconfig file .*config cannot be read: ENOENT/);
  await writeFile(kubeconfig, 'apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\n');
  expect(open).toThrow(/The kubeconfig file .*config cannot be read: it has no current context/);
});

test('outside of a pod, a namespace alone is not enough', () => {
  expect(() => openCluster({ namespace: 'agents' })).toThrow('KUBERNETES_NAMESPACE needs KUBECONFIG beside it');
});
