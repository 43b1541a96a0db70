import { describe, expect, inject, test, vi } from 'vitest';
import { controlQueueName } from '../../contracts/names.ts';
import { runInstances } from '../support/command-line.ts';
import { openControl } from '../support/control.ts';
import { missingImage } from '../support/kubernetes/fake-registry.ts';
import { openNamespace, type TestNamespace } from '../support/kubernetes/namespace.ts';
import { createPodRig } from '../support/kubernetes/pods.ts';
import { openRig, type Rig } from '../support/rig.ts';
import { useOpened } from '../support/use-opened.ts';

const patience = { timeout: 60_000 };
const agent = {
  kind: 'kubernetes',
  image: inject('kubernetes')?.image ?? '',
  user: '65534:65534',
  cpus: 0.05,
  memory_mebibytes: 32,
  stop_grace_seconds: 1,
};
const untilGo = 'while [ ! -e /tmp/go ]; do sleep 0.05; done';

function describeLives(KUBERNETES_SANDBOXES: 'auto' | 'never'): void {
  const opened: { rig: Rig; namespace: TestNamespace } = useOpened(
    async () => {
      const namespace = await openNamespace(inject('kubernetes')?.kubeconfig ?? '');
      const settings = {
        KUBERNETES_NAMESPACE: namespace.name,
        KUBECONFIG: namespace.kubeconfig,
        KUBERNETES_SANDBOXES,
      };
      const rig = await openRig({ settings });
      await rig.startServices(['event_broker', 'agents_worker']);
      return { rig, namespace };
    },
    async ({ rig, namespace }) => {
      await rig.close();
      await namespace.close();
    },
  );
  const pods = () => createPodRig(opened.namespace);

  const run = async (spec: object = {}, config: object = {}): Promise<string> => {
    const { rig } = opened;
    const id = await rig.insertInstance(await rig.publishAgent({ ...agent, ...spec }), config);
    await rig.bus.until(id, 'instance.updated', 'running');
    return id;
  };
  const remove = async (id: string): Promise<void> => {
    await opened.rig.deleteInstance(id);
    await opened.rig.bus.until(id, 'instance.updated', 'stopped');
    expect(await pods().find(id)).toBeUndefined();
    expect(await pods().secretOf(id)).toBeUndefined();
  };
  /** Resolves once another pod than this one runs, and it was said as often that the instance runs. */
  const untilRanAgain = async (id: string, first: string | undefined, times: number): Promise<void> => {
    await vi.waitUntil(async () => {
      const pod = await pods().find(id);
      return pod?.status?.phase === 'Running' && pod.metadata?.uid !== first;
    }, patience);
    const said = () => opened.rig.bus.of(id).filter(({ body }) => body['status'] === 'running').length;
    await vi.waitUntil(() => said() >= times, patience);
  };
  const explain = async (id: string): Promise<Record<string, unknown>> => {
    const { code, out } = await runInstances(['explain', id, '--json'], opened.rig.environment);
    expect(code).toBe(0);
    return JSON.parse(out) as Record<string, unknown>;
  };

  test('is explained with what it printed, is replaced when its config changes, and is gone with its row', async () => {
    const id = await run({ command: ['sh', '-c', 'echo good morning; exec sleep 1000'] }, { round: 1 });
    const first = (await pods().find(id))?.metadata?.uid;
    await vi.waitUntil(async () => (await pods().log(id)).includes('good morning'), patience);
    expect(await explain(id)).toMatchObject({
      verdict: { state: 'running', sentence: expect.stringContaining('running generation 1') },
      runtime: { phase: 'running', runtime_id: first, generation: 1, output: { text: 'good morning' } },
      missing: [],
    });
    await opened.rig.pool.query('update instances set config = $2 where id = $1', [id, { round: 2 }]);
    await untilRanAgain(id, first, 2);
    expect(await pods().run(id, 'cat', '/instance/config.json')).toBe('{"round":2}');
    await remove(id);
  });

  test('runs again when somebody deletes its pod, with a control queue until its end', async () => {
    const { rig } = opened;
    const control = openControl(rig, inject('servers').managementUrl);
    const id = await run({ control: true });
    const first = (await pods().find(id))?.metadata?.uid;
    await opened.namespace.api.deleteNamespacedPod({ name: `instance-${id}`, namespace: opened.namespace.name });
    await untilRanAgain(id, first, 2);
    expect((await pods().find(id))?.metadata?.uid).not.toBe(first);
    const queue = controlQueueName(id);
    expect(await control.queues()).toContain(queue);
    const environment = (await pods().run(id, 'env')).split('\n');
    expect(environment).toContain(`INSTANCE_CONTROL_URL=${rig.environmentOf('agents_worker').CONTROL_AMQP_URL}`);
    expect(environment).toContain(`INSTANCE_CONTROL_QUEUE=${queue}`);
    const commands = await control.tap(id);
    await remove(id);
    expect(commands.map(({ properties }) => properties.type as unknown)).toEqual(['instance.stop']);
    expect(await control.queues()).not.toContain(queue);
  });

  test('whose agent crashes is started again up to its limit, then failed with the reason, and explained', async () => {
    const id = await run({
      command: ['sh', '-c', `${untilGo}; echo no fuel; exit 3`],
      restart: { policy: 'on_failure', max_restarts: 1, backoff_seconds: 0.1 },
    });
    const first = (await pods().find(id))?.metadata?.uid;
    await pods().go(id);
    await untilRanAgain(id, first, 2);
    await pods().go(id);
    const { body } = await opened.rig.bus.until(id, 'instance.updated', 'failed');
    const message: unknown = expect.stringMatching(/exit code 3\..*no fuel.*It was restarted 1 times in a row/s);
    expect(body).toMatchObject({ metadata: { status_reason: { code: 'agent_exited', message } } });
    expect(await explain(id)).toMatchObject({
      verdict: { state: 'failed', sentence: expect.stringContaining('exit code 3') },
    });
    await remove(id);
  });

  test.skipIf(!inject('kubernetes')?.hasOwnNode)(
    'whose image does not exist fails with the words of its registry',
    async () => {
      const { rig } = opened;
      const id = await rig.insertInstance(await rig.publishAgent({ ...agent, image: await missingImage() }));
      const { body } = await rig.bus.until(id, 'instance.updated', 'failed');
      const message: unknown = expect.stringMatching(/agents\/none:1 cannot be pulled: .*Push it to its registry/s);
      expect(body).toMatchObject({ metadata: { status_reason: { message } } });
      await remove(id);
    },
  );
}

describe.skipIf(!inject('kubernetes')?.image)('an instance whose agent is a pod', () => {
  describeLives('never');
});
describe.skipIf(!inject('kubernetes')?.hasSandboxes)('an instance whose agent is a Sandbox', () => {
  describeLives('auto');
});
