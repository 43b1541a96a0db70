import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import { afterEach, beforeAll, describe, expect, inject, onTestFinished, test, vi } from 'vitest';
import type { HostJson } from '../../database/hosts/host-json.ts';
import type { MovedInstance, RolloutWithWaves } from '../../database/rollouts/rollout-json.ts';
import { explanation, type Explanation } from '../../explain/explanation.ts';
import { useAdminBackend } from '../support/admin-backend.ts';
import { useUserBackend, type UserApi } from '../support/backends.ts';
import { runInstances } from '../support/command-line.ts';
import { removeInstances, settingsOf, smallAgent, untilGo, useNamespace } from '../support/kubernetes/engine.ts';
import { missingImage } from '../support/kubernetes/fake-registry.ts';
import { openNamespace, type TestNamespace } from '../support/kubernetes/namespace.ts';
import { createPodRig } from '../support/kubernetes/pods.ts';
import { useRig } from '../support/rig.ts';

const patience = { timeout: 80_000, interval: 200 };
/** A rollout moves one instance after the other, and each move ends a pod and starts another one. */
const rolloutMs = 240_000;

describe.skipIf(!inject('kubernetes')?.image)('the life of agents that are pods, over HTTP', () => {
  const namespace = useNamespace();
  const rig = useRig({ services: ['event_broker', 'agents_worker'], openSettings: () => settingsOf(namespace) });
  const admin = useAdminBackend(rig);
  const backend = useUserBackend(rig);
  let api: UserApi;

  beforeAll(async () => {
    ({ api } = await backend.user());
  });

  afterEach(() => removeInstances(rig));

  const podsOf = (where: TestNamespace = namespace) => createPodRig(where);
  const publish = async (runtime: object = {}): Promise<string> => {
    const json = { name: 'pods', version: '1', runtime: { ...smallAgent, ...runtime } };
    const { status, body } = await admin.call<{ id: string }>('/v1/agents', { method: 'POST', json });
    expect(status).toBe(201);
    return body.id;
  };
  const create = async (agentId: string): Promise<string> => {
    const { status, body } = await api('POST', '/v1/instances', { json: { agent_id: agentId } });
    expect(status).toBe(201);
    return String(body['id']);
  };
  const read = async (id: string) => (await api('GET', `/v1/instances/${id}`)).body;
  const untilStatus = (id: string, status: string) =>
    vi.waitFor(async () => {
      const instance = await read(id);
      expect(instance).toMatchObject({ status });
      return instance;
    }, patience);
  const run = async (agentId: string): Promise<string> => {
    const id = await create(agentId);
    await untilStatus(id, 'running');
    return id;
  };
  const explain = async (id: string, by: TestNamespace = namespace): Promise<Explanation> => {
    const { code, out, errors } = await runInstances(['explain', id, '--json'], {
      ...rig.environment,
      ...settingsOf(by),
    });
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    return explanation.parse(JSON.parse(out));
  };
  const placeOf = async (id: string, where: TestNamespace = namespace): Promise<string> => {
    const pod = await podsOf(where).find(id);
    return `pod instance-${id} of the namespace ${where.name} on the node ${pod?.spec?.nodeName}`;
  };
  const hostOf = async ({ name }: TestNamespace): Promise<HostJson | undefined> => {
    const { body } = await admin.call<{ hosts: HostJson[] }>('/v1/hosts');
    return body.hosts.find((host) => host.name === name);
  };

  test('a published agent runs, and everybody who explains its instance is told of its pod and its node', async () => {
    const id = await run(await publish());
    const where = await placeOf(id);
    const uid = (await podsOf().find(id))?.metadata?.uid;
    // user_backend has no login of the cluster: what it tells comes from the workflow.
    await vi.waitFor(async () => {
      const { body } = await api('GET', `/v1/instances/${id}/timeline`);
      expect(body).toMatchObject({ runs_as: where, runtime: null, missing: [], verdict: { state: 'running' } });
      expect(JSON.stringify(body['timeline'])).toContain(`provisioned as runtime ${uid} (${where}) on host`);
    }, patience);
    expect(await explain(id)).toMatchObject({
      verdict: {
        state: 'running',
        sentence: expect.stringMatching(`^running generation 1 since \\S+ as ${where}\\.$`),
      },
      host: { name: namespace.name, is_here: true, lease_holds: true },
      runs_as: where,
      runtime: { phase: 'running', where, inspect: `kubectl describe pod instance-${id} -n ${namespace.name}` },
      missing: [],
    });
    const { out } = await runInstances(['explain', id], rig.environment);
    expect(out.split('\n')).toContain(`runs as ${where}`);
    expect(await hostOf(namespace)).toMatchObject({ runtime: 'kubernetes', placed: 1, drain: null });
  });

  test('an agent that fails says how its pod ended and where it ran, and a retry runs it again', async () => {
    const id = await run(await publish({ command: ['sh', '-c', `${untilGo}; echo no fuel; exit 9`] }));
    const where = await placeOf(id);
    const first = (await podsOf().find(id))?.metadata?.uid;
    await podsOf().go(id);
    const message: unknown = expect.stringMatching(/^The agent ended with exit code 9\..*no fuel/s);
    expect(await untilStatus(id, 'failed')).toMatchObject({ reason: { code: 'agent_exited', message } });
    const explained = await explain(id);
    expect(explained).toMatchObject({
      verdict: {
        state: 'failed',
        sentence: expect.stringMatching(/agent_exited: The agent ended with exit code 9\. To try again: npx instances/),
      },
      runs_as: where,
      missing: [],
    });
    expect(explained.timeline).toContainEqual(
      expect.objectContaining({ source: 'workflow', text: expect.stringMatching(`^told: runtime ${first} ended: `) }),
    );
    const { out } = await runInstances(['explain', id], rig.environment);
    expect(out.split('\n')).toContain(`ran last as ${where}`);
    expect((await api('POST', `/v1/instances/${id}/retry`)).status).toBe(200);
    await untilStatus(id, 'running');
    expect((await podsOf().find(id))?.metadata?.uid).not.toBe(first);
  });

  test.skipIf(!inject('kubernetes')?.hasOwnNode)(
    'a drained node evicts the pod, and the engine runs it again once a node takes it, which explain says until then',
    async () => {
      const id = await run(await publish());
      const pod = await podsOf().find(id);
      const name = `instance-${id}`;
      await setSchedulable(pod?.spec?.nodeName ?? '', false);
      onTestFinished(() => setSchedulable(pod?.spec?.nodeName ?? '', true));
      const body = { metadata: { name, namespace: namespace.name } };
      // The library cannot read the answer to a success.
      await namespace.api.createNamespacedPodEviction({ name, namespace: namespace.name, body }).catch(() => undefined);
      const waiting = await vi.waitFor(async () => {
        const explained = await explain(id);
        expect(explained.runtime?.status).toMatch(/^Unschedulable: .*unschedulable/);
        return explained;
      }, patience);
      const where = `pod ${name} of the namespace ${namespace.name} on no node yet`;
      expect(waiting).toMatchObject({
        row: { status: 'pending' },
        runs_as: where,
        runtime: { phase: 'starting', where },
      });
      expect(waiting.verdict).toMatchObject({
        state: 'waiting',
        sentence: expect.stringMatching(
          `Its agent is starting as ${where} \\(Unschedulable: .*\\)\\. To see more: kubectl describe pod ${name} -n`,
        ),
      });
      expect(waiting.timeline.map(({ text }) => text)).toContainEqual(
        expect.stringMatching(/^told: runtime \S+ was lost: The cluster ended the pod \(EvictionByEvictionAPI: /),
      );
      await setSchedulable(pod?.spec?.nodeName ?? '', true);
      await untilStatus(id, 'running');
      const again = await podsOf().find(id);
      expect(again?.metadata?.uid).not.toBe(pod?.metadata?.uid);
      expect((await explain(id)).verdict.sentence).toContain(`as ${await placeOf(id)}.`);
    },
  );

  test('a drained namespace keeps its instances until another one takes them, and each then runs there', async () => {
    const ids = [await run(await publish()), await run(await publish())];
    const first = await Promise.all(ids.map(async (id) => (await podsOf().find(id))?.metadata?.uid));
    const { id: hostId } = (await hostOf(namespace)) ?? { id: '' };
    const drain = await admin.call(`/v1/hosts/${hostId}/drain`, { method: 'POST', json: { at_once: 2 } });
    expect(drain.status).toBe(200);
    onTestFinished(async () => void (await admin.call(`/v1/hosts/${hostId}/undrain`, { method: 'POST' })));
    await vi.waitFor(
      async () =>
        expect(await hostOf(namespace)).toMatchObject({ placed: 2, drain: { left: 2, moving: 0, waiting: 2 } }),
      patience,
    );
    for (const id of ids) expect(await read(id)).toMatchObject({ status: 'running', host_id: hostId });
    expect(await Promise.all(ids.map(async (id) => (await podsOf().find(id))?.metadata?.uid))).toEqual(first);

    const other = await openNamespace(inject('kubernetes')?.kubeconfig ?? '');
    onTestFinished(() => other.close());
    const folder = await mkdtemp(join(tmpdir(), 'instances-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const worker = await rig.startAgentsWorker({ ...settingsOf(other), RUNTIME_DIRECTORY: folder });
    onTestFinished(async () => {
      // What is there needs this worker for its end.
      await removeInstances(rig);
      await worker.stop();
    });
    await vi.waitFor(
      async () => expect(await hostOf(namespace)).toMatchObject({ placed: 0, drain: { left: 0, waiting: 0 } }),
      patience,
    );
    const there = (await hostOf(other))?.id;
    for (const id of ids) {
      expect(await untilStatus(id, 'running')).toMatchObject({ host_id: there });
      expect(await podsOf().find(id)).toBeUndefined();
      const said = rig.bus
        .of(id)
        .map(({ body }) => (body['metadata'] as { status_reason?: object } | undefined)?.status_reason);
      expect(said).toContainEqual({ code: 'moving', message: `The host ${namespace.name} is drained.` });
      const where = await placeOf(id, other);
      const fromHere = await explain(id);
      expect(fromHere).toMatchObject({ host: { name: other.name, is_here: false }, runs_as: where, runtime: null });
      expect(fromHere.verdict.sentence).toMatch(`on the host ${other.name}.`);
      expect((await explain(id, other)).verdict.sentence).toContain(`as ${where}.`);
    }
  });

  describe('a rollout', () => {
    const strategy = {
      canary: { count: 1 },
      max_parallel: { count: 1 },
      min_healthy_seconds: 6,
      healthy_deadline_seconds: 60,
    };
    const rollOut = async (agentId: string, version: string, runtime: object): Promise<RolloutWithWaves> => {
      const json = { version, runtime: { ...smallAgent, ...runtime } };
      expect((await admin.call(`/v1/agents/${agentId}`, { method: 'PATCH', json })).status).toBe(200);
      const started = await admin.call<{ id: string }>(`/v1/agents/${agentId}/rollouts`, {
        method: 'POST',
        json: { version, strategy },
      });
      expect(started.status).toBe(201);
      return vi.waitFor(
        async () => {
          const { body } = await admin.call<RolloutWithWaves>(`/v1/rollouts/${started.body.id}`);
          expect(body.ended_at).not.toBeNull();
          return body;
        },
        { timeout: 120_000, interval: 200 },
      );
    };
    const movedBy = async ({ id }: RolloutWithWaves): Promise<MovedInstance[]> =>
      (await admin.call<{ instances: MovedInstance[] }>(`/v1/rollouts/${id}/instances`)).body.instances;
    const saying = (word: string) => ({ command: ['sh', '-c', `echo ${word}; exec sleep 1000`] });

    test(
      'replaces every pod by one of the good version, and takes back one whose image cannot be pulled or that crashes',
      async () => {
        const agentId = await publish(saying('first'));
        const ids = [await run(agentId), await run(agentId)];
        const good = await rollOut(agentId, '2', saying('second'));
        expect(good).toMatchObject({ status: 'completed', reason: null, moved: 2, healthy: 2, failed: 0 });
        const untilSecondRuns = async (): Promise<void> => {
          for (const id of ids) {
            expect(await untilStatus(id, 'running')).toMatchObject({ running_version: '2', stable_version: '2' });
            await vi.waitFor(async () => expect(await podsOf().log(id)).toBe('second\n'), patience);
          }
        };
        await untilSecondRuns();

        const bad: [string, object, RegExp][] = [
          ['3', { image: await missingImage() }, /agents\/none:1 cannot be pulled: .*Push it to its registry/s],
          ['4', { command: ['sh', '-c', 'sleep 3; echo the licence has expired; exit 3'] }, /exit code 3\..*licence/s],
        ];
        for (const [version, runtime, why] of bad) {
          const rollout = await rollOut(agentId, version, runtime);
          expect(rollout).toMatchObject({ status: 'rolled_back', reason: { code: 'canary_failed' }, moved: 1 });
          const [canary] = await movedBy(rollout);
          expect(canary).toMatchObject({ outcome: 'reverted', message: expect.stringMatching(why) });
          await untilSecondRuns();
          const texts = (await explain(canary?.instance_id ?? '')).timeline.map(({ text }) => text);
          expect(texts).toContainEqual(
            expect.stringContaining(`given its version back by the rollout ${rollout.id}, which went back, because`),
          );
          expect(texts).toContainEqual(expect.stringMatching(why));
        }
      },
      rolloutMs,
    );
  });

  /** What `kubectl cordon` and `kubectl uncordon` do. */
  async function setSchedulable(name: string, schedulable: boolean): Promise<void> {
    const body = { spec: { unschedulable: !schedulable } };
    await namespace.api.patchNode({ name, body }, setHeaderOptions('Content-Type', PatchStrategy.MergePatch));
  }
});
