import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { podOf, secretOf, variableOfKey } from '../../../runtimes/kubernetes/pod-spec.ts';
import { kubernetesSpec } from '../../../runtimes/kubernetes/spec.ts';

const scope = 'default/instances';

function requestOf(spec: object = {}) {
  return {
    instanceId: randomUUID(),
    agentId: randomUUID(),
    generation: 3,
    config: { api_key: 'config-0123456789' },
    spec: kubernetesSpec.parse({ kind: 'kubernetes', image: 'agent:1', ...spec }),
    control: { url: 'amqp://agent:control-0123456789@rabbitmq/agents', queue: 'control.1' },
  };
}

test('a pod is closed unless its spec opens it', () => {
  const { spec } = podOf({ request: requestOf(), scope });
  expect(spec).toMatchObject({
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
  });
  expect(spec?.containers[0]?.securityContext).toEqual({
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    privileged: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
  });
});

test('config, environment and the control URL are in the Secret alone', () => {
  const request = requestOf({ environment: { 'API.TOKEN': 'token-0123456789' } });
  const pod = JSON.stringify(podOf({ request, scope }));
  for (const secret of ['config-0123456789', 'token-0123456789', 'control-0123456789'])
    expect(pod).not.toContain(secret);
  const { stringData = {}, immutable } = secretOf({ request, scope, podUid: 'uid' });
  expect(immutable).toBe(true);
  const variables = Object.keys(stringData).flatMap((key) => variableOfKey(key) ?? []);
  expect(variables).toEqual(['API.TOKEN']);
  expect(Object.values(stringData)).toEqual(
    expect.arrayContaining(['token-0123456789', '{"api_key":"config-0123456789"}', request.control.url]),
  );
});

test('an environment cannot pose as another instance', () => {
  const request = requestOf({ environment: { INSTANCE_ID: 'somebody-else', INSTANCE_CONTROL_URL: 'amqp://else' } });
  const env = podOf({ request, scope }).spec?.containers[0]?.env ?? [];
  expect(env.filter(({ name }) => name === 'INSTANCE_ID')).toEqual([
    { name: 'INSTANCE_ID', value: request.instanceId },
  ]);
  expect(env.find(({ name }) => name === 'INSTANCE_CONTROL_URL')?.valueFrom?.secretKeyRef?.key).toBe('control-url');
});

test('Kubernetes does not interpret the dollar signs of a command', () => {
  const command = ['sh', '-c', 'echo $(HOME) $$ $x'];
  const request = requestOf({ command, readiness_probe: { command } });
  const [container] = podOf({ request, scope }).spec?.containers ?? [];
  const doubled = ['sh', '-c', 'echo $$(HOME) $$$$ $$x'];
  expect(container?.args).toEqual(doubled);
  expect(container?.readinessProbe?.exec?.command).toEqual(doubled);
});

test('a grace period is rounded up to whole seconds, and is never 0, after which nobody would wait for the end', () => {
  const graces = [0, 0.2, 1, 10.5].map(
    (seconds) =>
      podOf({ request: requestOf({ stop_grace_seconds: seconds }), scope }).spec?.terminationGracePeriodSeconds,
  );
  expect(graces).toEqual([1, 1, 1, 11]);
});

test.each([
  ['1000', { runAsNonRoot: true, runAsUser: 1000 }],
  ['1000:2000', { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 2000 }],
  ['0:0', { runAsNonRoot: false, runAsUser: 0, runAsGroup: 0 }],
])('the user %s is the one of the container', (user, expected) => {
  const [container] = podOf({ request: requestOf({ user }), scope }).spec?.containers ?? [];
  expect(container?.securityContext).toMatchObject(expected);
});

test.each([
  { command: ['true'], port: 80 },
  {},
  { http_path: '/health', command: ['true'] },
  { http_path: 'health', port: 80 },
])('a readiness probe is never %j', (probe) => {
  const spec = { kind: 'kubernetes', image: 'agent:1', readiness_probe: probe };
  expect(kubernetesSpec.safeParse(spec).success).toBe(false);
});

test.each(['root', '1000:agent', '-1', '1:2:3'])('the user is never %s', (user) => {
  expect(kubernetesSpec.safeParse({ kind: 'kubernetes', image: 'agent:1', user }).success).toBe(false);
});
