import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { leastValues, runHelm, type Values } from '../support/chart.ts';
import { callApi } from '../support/kubernetes/api.ts';

const program = inject('helm');
const given = inject('kubernetesApi');
const helm = program ?? '';
const kubeconfig = given?.kubeconfig ?? '';
const namespace = `engine-${randomUUID().slice(0, 8)}`;

interface Found {
  metadata: { name: string; uid: string };
  status?: { conditions?: object[] };
  spec: { template: { spec: { containers: [{ image: string }] } } };
}

async function list(path: string): Promise<Found[]> {
  const { status, answer } = await callApi(kubeconfig, { method: 'GET', path });
  if (status !== 200 || !answer.items) throw new Error(`${path}: ${status} ${answer.message}`);
  return answer.items as Found[];
}

const deployments = async (): Promise<string[]> =>
  (await list(`/apis/apps/v1/namespaces/${namespace}/deployments`)).map(
    ({ metadata, spec }) => `${metadata.name} ${spec.template.spec.containers[0].image.split(':')[1]}`,
  );

/** Ends a job as the controller does that the API server of the tests lacks. */
async function endJob(name: string, outcome: 'Complete' | 'Failed'): Promise<void> {
  const now = new Date().toISOString().replace(/\.\d+/, '');
  const condition = (type: string) => ({ type, status: 'True', reason: 'Test', lastTransitionTime: now });
  const conditions = [condition(outcome === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget'), condition(outcome)];
  const status = { startTime: now, conditions, ...(outcome === 'Complete' && { completionTime: now, succeeded: 1 }) };
  const body = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name }, status };
  const path = `/apis/batch/v1/namespaces/${namespace}/jobs/${name}/status?fieldManager=test&force=true`;
  const { status: code, answer } = await callApi(kubeconfig, { method: 'PATCH', path, body });
  if (code !== 200) throw new Error(`${name} cannot be ended: ${code} ${answer.message}`);
}

/** Runs Helm and ends each job that appears. Returns the jobs, with the Deployments that were there before each ended. */
async function runWithJobs(
  command: string[],
  values: Values,
  outcomeOf: (job: string) => 'Complete' | 'Failed' = () => 'Complete',
): Promise<{ jobs: { name: string; deployments: string[] }[]; error: unknown }> {
  const environment = { KUBECONFIG: kubeconfig };
  let isRunning = true;
  let error: unknown;
  const running = runHelm(helm, [...command, '--namespace', namespace, '--timeout', '40s'], values, environment)
    .catch((reason: unknown) => (error = reason))
    .finally(() => (isRunning = false));
  const seen = new Set((await list(`/apis/batch/v1/namespaces/${namespace}/jobs`)).map(({ metadata }) => metadata.uid));
  const jobs: { name: string; deployments: string[] }[] = [];
  while (isRunning) {
    for (const { metadata, status } of await list(`/apis/batch/v1/namespaces/${namespace}/jobs`)) {
      if (seen.has(metadata.uid) || status?.conditions) continue;
      seen.add(metadata.uid);
      // Long enough for Helm to create what it would not wait with.
      await delay(500);
      jobs.push({ name: metadata.name, deployments: await deployments() });
      await endJob(metadata.name, outcomeOf(metadata.name));
    }
    await delay(50);
  }
  await running;
  return { jobs, error };
}

describe.skipIf(program === null || !given?.isOwn)('a release', () => {
  beforeAll(async () => {
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
    await callApi(kubeconfig, { method: 'POST', path: '/api/v1/namespaces', body });
  });
  afterAll(() => callApi(kubeconfig, { method: 'DELETE', path: `/api/v1/namespaces/${namespace}` }));

  const release = (tag: string): Values => ({
    ...leastValues,
    image: { repository: 'registry.example.com/instance-engine', tag },
  });
  const names = ['admin-backend', 'agents-worker-main', 'deployer', 'event-broker', 'user-backend'];
  const everyDeployment = (tag: string) => names.map((name) => `engine-instance-engine-${name} ${tag}`);
  const migrations = 'engine-instance-engine-migrations';
  const topology = 'engine-instance-engine-topology';

  test('is installed, upgraded, and left as it is by an upgrade whose jobs fail', async () => {
    const installed = await runWithJobs(['install', 'engine'], release('1.0.0'));
    expect(installed).toEqual({
      error: undefined,
      jobs: [
        { name: migrations, deployments: [] },
        { name: topology, deployments: [] },
      ],
    });
    expect(await deployments()).toEqual(everyDeployment('1.0.0'));

    const refused = await runWithJobs(['upgrade', 'engine'], release('2.0.0'), (job) =>
      job === topology ? 'Failed' : 'Complete',
    );
    expect(String(refused.error)).toContain('pre-upgrade hooks failed');
    expect(refused.jobs.map(({ name }) => name)).toEqual([migrations, topology]);
    expect(await deployments()).toEqual(everyDeployment('1.0.0'));

    const upgraded = await runWithJobs(['upgrade', 'engine'], release('2.0.1'));
    expect(upgraded).toEqual({
      error: undefined,
      jobs: [
        { name: migrations, deployments: everyDeployment('1.0.0') },
        { name: topology, deployments: everyDeployment('1.0.0') },
      ],
    });
    expect(await deployments()).toEqual(everyDeployment('2.0.1'));
    const accounts = await list(`/api/v1/namespaces/${namespace}/serviceaccounts`);
    // Those of the jobs are gone once all jobs have succeeded.
    expect(accounts.map(({ metadata }) => metadata.name)).not.toContain(migrations);
  });
});
