import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CoreV1Api, RbacAuthorizationV1Api, type V1Pod } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { serviceNames } from '../../contracts/access.ts';
import type { ServiceName } from '../../contracts/names.ts';
import { toolsDirectory } from '../../stack/paths.ts';
import { runHelm, type Values } from '../support/chart.ts';
import { openDocumentedApi } from '../support/documented-api.ts';
import { removeInstances, smallAgent, useNamespace } from '../support/kubernetes/engine.ts';
import { writeEngineImage } from '../support/kubernetes/engine-image.ts';
import { bridgeAddress } from '../support/kubernetes/node-settings.ts';
import { ownCluster } from '../support/kubernetes/own-cluster.ts';
import { createPodRig } from '../support/kubernetes/pods.ts';
import { findNodePrograms } from '../support/kubernetes/programs.ts';
import { useRig } from '../support/rig.ts';
import { openTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { signToken, tokenSettings } from '../support/tokens.ts';

const image = { repository: 'instance-engine-test', tag: 'release' };
const patience = { timeout: 120_000, interval: 500 };
/** The image is built with npm, and Helm may wait for five minutes at each of two releases. */
const releaseMs = 900_000;
const helm = inject('helm') ?? '';

describe.skipIf(inject('helm') === null || !inject('kubernetes')?.hasOwnNode)(
  'a release of the chart on a node',
  () => {
    const agents = useNamespace();
    /** Without services: those of the release are the engine. */
    const rig = useRig();
    const name = `engine-${randomUUID().slice(0, 8)}`;
    const kubeconfig = inject('kubernetes')?.kubeconfig ?? '';
    const proxies: TcpProxy[] = [];
    let api: CoreV1Api;
    let values: Values;

    /** The address at which pods reach what listens at a port of this machine's loopback interface. */
    const reachable = async (target: string): Promise<string> => {
      const proxy = await openTcpProxy(target, bridgeAddress);
      proxies.push(proxy);
      return proxy.address;
    };

    beforeAll(async () => {
      const programs = inject('kubernetes')?.programs;
      if (!programs) throw new Error('there are no programs');
      const folder = await mkdtemp(join(tmpdir(), 'release-'));
      try {
        const archive = join(folder, 'image.tar');
        await writeEngineImage(archive, `docker.io/library/${image.repository}:${image.tag}`);
        const node = await findNodePrograms({ toolsDirectory, onProgress: () => {}, build: false });
        await ownCluster('test', { ...programs, node }).importImage(archive);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
      api = agents.admin.makeApiClient(CoreV1Api);
      await api.createNamespace({ body: { metadata: { name } } });
      await makeAccount();
      const server = new URL(agents.admin.getCurrentCluster()?.server ?? '');
      const [database, bus, temporal, cluster] = await Promise.all(
        [
          new URL(rig.environment.DATABASE_URL).host,
          new URL(rig.environment.AMQP_URL).host,
          rig.environment.TEMPORAL_ADDRESS,
          server.host,
        ].map(reachable),
      );
      const at = (url: string, address = ''): string => Object.assign(new URL(url), { host: address }).href;
      const secretOf = async (secret: string, login: { DATABASE_URL: string; AMQP_URL: string }): Promise<void> => {
        const stringData = {
          DATABASE_URL: at(login.DATABASE_URL, database),
          AMQP_URL: at(login.AMQP_URL, bus),
          ...tokenSettings,
        };
        await api.createNamespacedSecret({ namespace: name, body: { metadata: { name: secret }, stringData } });
      };
      for (const service of serviceNames as readonly ServiceName[])
        await secretOf(`instance-engine-${service.replace('_', '-')}`, rig.environmentOf(service));
      await secretOf('instance-engine-migrations', rig.environment);
      const [host = '', port = ''] = (cluster ?? '').split(':');
      const one = { replicas: 1, resources: { requests: { cpu: '10m' } } };
      values = {
        image,
        settings: { TEMPORAL_ADDRESS: temporal, TASK_QUEUE: rig.environment.TASK_QUEUE },
        eventBroker: one,
        userBackend: one,
        adminBackend: one,
        deployer: one,
        migrations: { resources: { requests: { cpu: '10m' } } },
        // The accounts of the broker belong to all tests.
        topology: { enabled: false },
        agentsWorker: {
          ...one,
          serviceAccount: { name: 'agents-worker', token: true },
          settings: { KUBERNETES_NAMESPACE: agents.name, ALLOWED_RUNTIMES: 'kubernetes' },
          // Nothing on this machine leads to the addresses of Services.
          extraEnv: [
            { name: 'KUBERNETES_SERVICE_HOST', value: host },
            { name: 'KUBERNETES_SERVICE_PORT', value: port },
          ],
        },
      };
    }, releaseMs);

    afterAll(async () => {
      await removeInstances(rig);
      await api.deleteNamespace({ name });
      const podsLeft = async () => (await api.listNamespacedPod({ namespace: name })).items.length;
      await vi.waitUntil(async () => (await podsLeft()) === 0, patience);
      for (const proxy of proxies) await proxy.cut();
    }, releaseMs);

    /** As docs/kubernetes.md says. */
    async function makeAccount(): Promise<void> {
      const account = { name: 'agents-worker', namespace: name };
      await api.createNamespacedServiceAccount({ namespace: name, body: { metadata: { name: account.name } } });
      await agents.admin.makeApiClient(RbacAuthorizationV1Api).createNamespacedRoleBinding({
        namespace: agents.name,
        body: {
          metadata: { name: 'engine' },
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'agents-worker' },
          subjects: [{ kind: 'ServiceAccount', ...account }],
        },
      });
    }

    const podsOf = async (part: string) => {
      const labelSelector = `app.kubernetes.io/component=${part}`;
      const { items } = await api.listNamespacedPod({ namespace: name, labelSelector });
      return items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
    };
    const release = async (command: string, own: Values = {}): Promise<void> => {
      const args = [command, 'engine', '--namespace', name, '--wait', '--timeout', '300s'];
      await runHelm(helm, args, { ...values, ...own }, { KUBECONFIG: kubeconfig }).catch(async (error: unknown) => {
        const { items } = await api.listNamespacedPod({ namespace: name });
        throw new Error(`Helm failed. The pods said:\n${(await Promise.all(items.map(lastWords))).join('\n')}`, {
          cause: error,
        });
      });
    };
    const lastWords = async ({ metadata, status }: V1Pod): Promise<string> => {
      const log = { name: metadata?.name ?? '', namespace: name, tailLines: 20 };
      const states = status?.containerStatuses?.map(({ state, lastState }) => ({ state, lastState }));
      return `${log.name}: ${JSON.stringify(states ?? status)}\n${await api.readNamespacedPodLog(log).catch(String)}`;
    };

    test(
      'migrates, becomes ready, runs an agent as a pod by its own account, and is upgraded while the agent runs on',
      async () => {
        await release('install');
        const [backend] = await podsOf('user-backend');
        const call = await openDocumentedApi(`http://${backend?.status?.podIP}:27440`);
        const token = await signToken({ userId: randomUUID() });
        const agentId = await rig.publishAgent(smallAgent);
        const created = await call('POST', '/v1/instances', { token, json: { agent_id: agentId } });
        expect(created.status).toBe(201);
        const id = String(created.body['id']);
        await rig.bus.until(id, 'instance.updated', 'running');
        const before = await createPodRig(agents).find(id);
        expect(before?.status?.phase).toBe('Running');
        const { rows } = await rig.pool.query('select name, runtime from hosts');
        expect(rows).toContainEqual({ name: agents.name, runtime: 'kubernetes' });

        const workers = await podsOf('agents-worker');
        await release('upgrade', {
          agentsWorker: { ...(values['agentsWorker'] as Values), podLabels: { round: '2' } },
        });
        const [worker] = await podsOf('agents-worker');
        expect(worker?.metadata?.uid).not.toBe(workers[0]?.metadata?.uid);
        expect((await createPodRig(agents).find(id))?.metadata?.uid).toBe(before?.metadata?.uid);
        await rig.deleteInstance(id);
        await rig.bus.until(id, 'instance.updated', 'stopped');
        expect(await createPodRig(agents).find(id)).toBeUndefined();
      },
      releaseMs,
    );
  },
);
