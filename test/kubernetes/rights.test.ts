import { KubeConfig, AuthorizationV1Api, CoreV1Api } from '@kubernetes/client-node';
import { describe, expect, inject, test } from 'vitest';
import { openNamespace, type TestNamespace } from '../support/kubernetes/namespace.ts';
import { useOpened } from '../support/use-opened.ts';

/** What the driver asks of the API server. */
const allowed = new Set([
  ...['create', 'get', 'list', 'watch', 'patch', 'delete'].map((verb) => `${verb} pods`),
  'get pods/log',
  ...['create', 'get', 'delete'].map((verb) => `${verb} secrets`),
  ...['create', 'get', 'delete'].map((verb) => `${verb} sandboxes`),
  'get namespaces',
]);
const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
const groups = {
  '': [
    'pods',
    'pods/log',
    'pods/exec',
    'pods/attach',
    'pods/portforward',
    'pods/proxy',
    'pods/status',
    'pods/binding',
    'pods/eviction',
    'pods/ephemeralcontainers',
    'pods/resize',
    'secrets',
    'configmaps',
    'namespaces',
    'namespaces/status',
    'namespaces/finalize',
    'serviceaccounts',
    'serviceaccounts/token',
    'services',
    'endpoints',
    'events',
    'nodes',
    'nodes/proxy',
    'persistentvolumeclaims',
    'persistentvolumes',
    'resourcequotas',
    'limitranges',
    'replicationcontrollers',
    'podtemplates',
    'bindings',
  ],
  'rbac.authorization.k8s.io': ['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'],
  apps: ['deployments', 'statefulsets', 'daemonsets', 'replicasets'],
  batch: ['jobs', 'cronjobs'],
  'networking.k8s.io': ['networkpolicies', 'ingresses'],
  policy: ['poddisruptionbudgets'],
  'coordination.k8s.io': ['leases'],
  'agents.x-k8s.io': ['sandboxes', 'sandboxes/status', 'sandboxes/finalizers'],
  'extensions.agents.x-k8s.io': ['sandboxclaims', 'sandboxtemplates', 'sandboxwarmpools'],
};
const questions = Object.entries(groups).flatMap(([group, resources]) =>
  resources.flatMap((resource) => verbs.map((verb) => ({ group, resource, verb }))),
);

describe.skipIf(!inject('kubernetes'))('the account of the manifest', () => {
  const namespace: TestNamespace = useOpened(
    () => openNamespace(inject('kubernetes')?.kubeconfig ?? ''),
    (opened) => opened.close(),
  );
  const connect = (): KubeConfig => {
    const config = new KubeConfig();
    config.loadFromFile(namespace.kubeconfig);
    return config;
  };

  /** The questions that the API server answers with yes. */
  async function askAbout(where: string | undefined, all: typeof questions): Promise<string[]> {
    const api = connect().makeApiClient(AuthorizationV1Api);
    const answers = await Promise.all(
      all.map(async ({ group, resource: path, verb }) => {
        const [resource, subresource] = path.split('/');
        const resourceAttributes = {
          group,
          verb,
          ...(where !== undefined && { namespace: where }),
          ...(resource !== undefined && { resource }),
          ...(subresource !== undefined && { subresource }),
        };
        const { status } = await api.createSelfSubjectAccessReview({ body: { spec: { resourceAttributes } } });
        return status?.allowed === true ? [`${verb} ${path}`] : [];
      }),
    );
    return answers.flat();
  }

  test('may do in its namespace what the runtime needs, and nothing else', async () => {
    expect(new Set(await askAbout(namespace.name, questions))).toEqual(allowed);
  });

  test('may do nothing in other namespaces or in the whole cluster', async () => {
    const needed = questions.filter(({ resource, verb }) => allowed.has(`${verb} ${resource}`));
    expect(needed).toHaveLength(allowed.size);
    expect(await askAbout('default', questions)).toEqual([]);
    expect(await askAbout(undefined, questions)).toEqual([]);
  });

  test('is refused by the API server where it tries nevertheless', async () => {
    const api = connect().makeApiClient(CoreV1Api);
    const tried = [
      () => api.listNamespacedSecret({ namespace: namespace.name }),
      () => api.listNamespacedPod({ namespace: 'default' }),
      () => api.readNamespacedSecret({ namespace: 'kube-system', name: 'any' }),
      () => api.listPodForAllNamespaces(),
      () => api.listNode(),
      () => api.listNamespace(),
      () => api.deleteNamespace({ name: namespace.name }),
      () => api.deleteCollectionNamespacedPod({ namespace: namespace.name }),
      () =>
        api.createNamespacedServiceAccountToken({
          namespace: namespace.name,
          name: 'default',
          body: { spec: { audiences: [] } },
        }),
    ];
    for (const attempt of tried) await expect(attempt()).rejects.toMatchObject({ code: 403 });
    expect((await api.readNamespace({ name: namespace.name })).metadata?.name).toBe(namespace.name);
  });

  test('may not start a pod that is less closed than those of agents', async () => {
    const api = connect().makeApiClient(CoreV1Api);
    const body = { metadata: { name: 'open' }, spec: { hostNetwork: true, containers: [{ name: 'a', image: 'a:1' }] } };
    const attempt = api.createNamespacedPod({ namespace: namespace.name, body });
    await expect(attempt).rejects.toMatchObject({ code: 403, message: expect.stringContaining('PodSecurity') });
  });
});
