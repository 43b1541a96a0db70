import { describe, expect, inject, test, vi } from 'vitest';
import { SpecRejected } from '../../runtimes/runtime.ts';
import { openNamespace, untilPod, type TestNamespace } from '../support/kubernetes/namespace.ts';
import { createPodRig, readyFile } from '../support/kubernetes/pods.ts';
import { foreignImage, rootImage } from '../support/kubernetes/test-images.ts';
import { collectExits, context } from '../support/process-agents.ts';
import { useOpened } from '../support/use-opened.ts';

const patience = { timeout: 40_000 };
const wait = 'exec sleep 1000';

describe.skipIf(!inject('kubernetes')?.image)('pods', { concurrent: true }, () => {
  const namespace: TestNamespace = useOpened(
    () => openNamespace(inject('kubernetes')?.kubeconfig ?? ''),
    (opened) => opened.close(),
  );
  const podTest = test
    .extend('rig', ({ onTestFinished }) => {
      const rig = createPodRig(namespace);
      onTestFinished(() => rig.dispose());
      return rig;
    })
    .extend('runtime', ({ rig }) => rig.openRuntime());

  podTest(
    'an agent finds its config, its environment and its control queue, and no account of the cluster',
    async ({ rig, runtime }) => {
      const control = { url: 'amqp://agent:control-0123456789@rabbitmq/agents', queue: 'control.1' };
      const request = rig.request({
        config: { api_key: 'config-0123456789' },
        environment: { 'A.b': 'token-0123456789', INSTANCE_ID: 'somebody-else' },
        script: `echo "$$ $(id -u) $INSTANCE_CONTROL_URL"; ${wait}`,
        control,
      });
      await runtime.provision(request, context());
      const { instanceId, agentId } = request;
      const environment = (await rig.run(instanceId, 'env')).split('\n');
      expect(environment).toEqual(
        expect.arrayContaining([
          `INSTANCE_ID=${instanceId}`,
          `INSTANCE_NAME=instance-${instanceId}`,
          `AGENT_ID=${agentId}`,
          'A.b=token-0123456789',
          `INSTANCE_CONTROL_URL=${control.url}`,
          `INSTANCE_CONTROL_QUEUE=${control.queue}`,
          'INSTANCE_CONFIG_FILE=/instance/config.json',
        ]),
      );
      expect(environment.filter((line) => line.startsWith('INSTANCE_ID='))).toHaveLength(1);
      expect(await rig.run(instanceId, 'cat', '/instance/config.json')).toBe('{"api_key":"config-0123456789"}');
      await expect(rig.run(instanceId, 'ls', '/var/run/secrets')).rejects.toThrow('exit code 1');
      // The pause process is process 1, and the shell of the agent another one.
      expect(await vi.waitUntil(() => rig.log(instanceId), patience)).toMatch(/^(?!1 )\d+ 65534 amqp:/);
      const pod = JSON.stringify(await rig.find(instanceId));
      for (const secret of ['config-0123456789', 'token-0123456789', 'control-0123456789'])
        expect(pod).not.toContain(secret);
    },
  );

  podTest('an agent is process 1 of its pod when its spec asks for no init', async ({ rig, runtime }) => {
    const request = rig.request({ script: `echo "process $$"; ${wait}`, init: false });
    await runtime.provision(request, context());
    expect(await vi.waitUntil(() => rig.log(request.instanceId), patience)).toBe('process 1\n');
  });

  podTest('only /tmp can be written', async ({ rig, runtime }) => {
    const request = rig.request();
    await runtime.provision(request, context());
    await rig.run(request.instanceId, 'touch', '/tmp/file');
    await expect(rig.run(request.instanceId, 'touch', '/file')).rejects.toThrow('exit code 1');
    await expect(rig.run(request.instanceId, 'touch', '/instance/file')).rejects.toThrow('exit code 1');
  });

  podTest('a pod that somebody deletes is lost, with what it printed, and starts anew', async ({ rig, runtime }) => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const script = `trap 'echo bye; exit 7' TERM; touch /tmp/ready; while :; do sleep 0.05; done`;
    const request = rig.request({ script, readiness_probe: readyFile, stop_grace_seconds: 30 });
    const { instanceId } = request;
    const { runtimeId } = await runtime.provision(request, context());
    await namespace.api.deleteNamespacedPod({ name: `instance-${instanceId}`, namespace: namespace.name });
    await vi.waitUntil(() => exits.length > 0, patience);
    expect(exits).toEqual([{ instanceId, runtimeId, kind: 'lost', failed: true, message: expect.any(String) }]);
    expect(exits[0]?.message).toMatch(/deleted through the cluster\. The agent ended with exit code 7\. .*bye/s);
    const again = await runtime.provision(request, context());
    expect(again.runtimeId).not.toBe(runtimeId);
    expect(exits).toHaveLength(1);
  });

  podTest('a pod that somebody deletes while no worker watches is lost for the next one', async ({ rig, runtime }) => {
    const request = rig.request();
    const { runtimeId } = await runtime.provision(request, context());
    await runtime.close();
    const name = `instance-${request.instanceId}`;
    await namespace.api.deleteNamespacedPod({ name, namespace: namespace.name });
    await untilPod(
      () => rig.find(request.instanceId),
      (pod) => pod?.metadata?.deletionGracePeriodSeconds === 0,
    );
    const { exits, report } = collectExits();
    const worker = rig.openRuntime();
    await worker.watch(report);
    await vi.waitUntil(() => exits.length > 0, patience);
    expect(exits[0]).toMatchObject({ runtimeId, kind: 'lost', failed: true });
    await worker.cleanUp(request.instanceId, context());
    expect(await rig.find(request.instanceId)).toBeUndefined();
  });

  podTest('a drained node evicts the pod, which is lost', async ({ rig, runtime }) => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const request = rig.request();
    const { runtimeId } = await runtime.provision(request, context());
    const name = `instance-${request.instanceId}`;
    const body = { metadata: { name, namespace: namespace.name } };
    await namespace.api.createNamespacedPodEviction({ name, namespace: namespace.name, body }).catch(() => undefined);
    await vi.waitUntil(() => exits.length > 0, patience);
    expect(exits[0]).toMatchObject({ runtimeId, kind: 'lost' });
    expect(exits[0]?.message).toContain('EvictionByEvictionAPI');
  });

  podTest('clean-up leaves no pod and no Secret', async ({ rig, runtime }) => {
    const request = rig.request();
    await runtime.provision(request, context());
    expect(await rig.secretOf(request.instanceId)).toBeDefined();
    await runtime.cleanUp(request.instanceId, context());
    expect([await rig.find(request.instanceId), await rig.secretOf(request.instanceId)]).toEqual([
      undefined,
      undefined,
    ]);
  });

  podTest(
    'what is wrong with a spec is rejected for good, and the repaired one then starts',
    async ({ rig, runtime }) => {
      const { instanceId } = rig.request();
      const wrong: [Parameters<typeof rig.request>[0], RegExp][] = [
        [{ command: ['no-such-command'] }, /no-such-command/],
        [{ user: '0' }, /refuses the pod.*PodSecurity/],
        [{ environment: { ü: '1' } }, /refuses the pod.*environment/i],
      ];
      for (const [spec, message] of wrong) {
        const request = rig.request({ ...spec, instanceId });
        const error = await runtime.provision(request, context()).catch((thrown: unknown) => thrown);
        expect(String(error)).toMatch(message);
        expect(error).toBeInstanceOf(SpecRejected);
        expect(await rig.find(instanceId)).toBeUndefined();
      }
      await runtime.provision(rig.request({ instanceId }), context());
    },
  );

  describe.skipIf(!inject('kubernetes')?.hasOwnNode)('with images of the tests', () => {
    podTest('an image whose user is root is rejected, unless the spec names another user', async ({ rig, runtime }) => {
      const { spec, ...request } = rig.request({ image: rootImage });
      const { user, ...withoutUser } = spec;
      const error = await runtime
        .provision({ ...request, spec: withoutUser }, context())
        .catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(SpecRejected);
      expect(String(error)).toContain('"user": "65534:65534"');
      await runtime.provision({ ...request, spec: { ...withoutUser, user } }, context());
    });

    podTest('a program for another platform is rejected', async ({ rig, runtime }) => {
      const { spec, ...request } = rig.request({ image: foreignImage, readiness_probe: readyFile });
      const { command, ...withoutCommand } = spec;
      expect(command).toBeDefined();
      const error = await runtime
        .provision({ ...request, spec: withoutCommand }, context())
        .catch((thrown: unknown) => thrown);
      expect(String(error)).toMatch(/exec format error/);
      expect(error).toBeInstanceOf(SpecRejected);
    });
  });

  podTest('describe and list tell of what is there', async ({ rig, runtime }) => {
    const request = rig.request({ generation: 7, script: `echo good morning; ${wait}` });
    const { runtimeId } = await runtime.provision(request, context());
    await vi.waitUntil(async () => (await rig.log(request.instanceId)).includes('good morning'), patience);
    expect(await runtime.list()).toEqual([{ instanceId: request.instanceId, generation: 7 }]);
    const name = `instance-${request.instanceId}`;
    const node = (await rig.find(request.instanceId))?.spec?.nodeName;
    expect(await runtime.describe(request.instanceId)).toEqual({
      phase: 'running',
      where: `pod ${name} of the namespace ${namespace.name} on the node ${node}`,
      inspect: `kubectl describe pod ${name} -n ${namespace.name}`,
      runtimeId,
      generation: 7,
      since: expect.any(Date),
      output: { text: 'good morning', at: expect.any(Date) },
    });
  });
});
