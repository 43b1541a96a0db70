import { describe, expect, inject, vi } from 'vitest';
import { containerTest, untilGo } from '../support/docker-agents.ts';
import { checkedImage, stoppedBy } from '../support/docker-images.ts';
import { collectExits, context } from '../support/process-agents.ts';

const patience = { timeout: 20_000 };

describe.skipIf(!inject('docker'))('watching containers', { concurrent: true }, () => {
  containerTest('reports the end of an agent with its exit code and last output, at once', async ({ rig, runtime }) => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    // A container that is found dead with this code counts as lost: only who hears of the end at once knows better.
    const request = rig.request({ script: `${untilGo}; echo no fuel; exit 255` });
    const { runtimeId } = await runtime.provision(request, context());
    await rig.go(request.instanceId);
    await vi.waitUntil(() => exits.length > 0, { ...patience, interval: 5 });
    const message = 'The agent ended with exit code 255. Its last output: no fuel';
    const { instanceId } = request;
    expect(exits).toEqual([{ instanceId, runtimeId, kind: 'exited', failed: true, message }]);
  });

  containerTest(
    'reports an end that came while nobody watched, with its exit code, as often as a worker starts',
    async ({ rig, runtime }) => {
      const request = rig.request({ script: `${untilGo}; echo no fuel; exit 3` });
      const { runtimeId } = await runtime.provision(request, context());
      await runtime.close();
      await rig.go(request.instanceId);
      await rig.untilEnded(request.instanceId);
      for (const worker of [rig.openRuntime(), rig.openRuntime()]) {
        const { exits, report } = collectExits();
        await worker.watch(report);
        await vi.waitUntil(() => exits.length > 0, patience);
        expect(exits).toEqual([expect.objectContaining({ runtimeId, kind: 'exited', failed: true })]);
        expect(exits[0]?.message).toBe('The agent ended with exit code 3. Its last output: no fuel');
        await worker.close();
      }
    },
  );

  containerTest('quotes what an agent printed without its environment and config', async ({ rig, runtime }) => {
    const printed = 'cat "$INSTANCE_CONFIG_FILE"; echo; echo "$INSTANCE_ID as $API_TOKEN"';
    const request = rig.request({
      script: `${untilGo}; ${printed}; exit 3`,
      environment: { API_TOKEN: 'token-0123456789' },
      config: { api_key: 'config-0123456789', level: 'debug' },
    });
    const { exits, report } = collectExits();
    await runtime.provision(request, context());
    await runtime.watch(report);
    await rig.go(request.instanceId);
    await vi.waitUntil(() => exits.length > 0, patience);
    const text = `{"api_key":"[config.api_key]","level":"debug"}\n${request.instanceId} as [$API_TOKEN]`;
    expect(exits[0]?.message).toBe(`The agent ended with exit code 3. Its last output: ${text}`);
    expect(await runtime.describe(request.instanceId)).toMatchObject({ output: { text } });
  });

  containerTest(
    'watches agents that an earlier worker had started; an exit code of 0 is no failure',
    async ({ rig, runtime }) => {
      const request = rig.request({ script: untilGo });
      const { runtimeId } = await runtime.provision(request, context());
      await runtime.close();
      const { exits, report } = collectExits();
      await rig.openRuntime().watch(report);
      await rig.go(request.instanceId);
      await vi.waitUntil(() => exits.length > 0, patience);
      expect(exits).toEqual([expect.objectContaining({ runtimeId, kind: 'exited', failed: false })]);
    },
  );

  containerTest('repeats a report until it is accepted, and then never again', async ({ rig, runtime }) => {
    const { exits, calls, report } = collectExits({ refusals: 2 });
    await runtime.watch(report);
    const requests = [1, 2].map(() => rig.request({ script: `${untilGo}; exit 3` }));
    await Promise.all(requests.map((request) => runtime.provision(request, context())));
    for (const [index, request] of requests.entries()) {
      await rig.go(request.instanceId);
      await vi.waitUntil(() => exits.length > index, patience);
    }
    expect(exits.map(({ instanceId }) => instanceId)).toEqual(requests.map(({ instanceId }) => instanceId));
    expect(calls()).toBe(4);
  });

  containerTest('calls a container lost that somebody stops or removes', async ({ rig, runtime }) => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const [stopped, removed] = [rig.request(), rig.request()];
    await Promise.all([stopped, removed].map((request) => runtime.provision(request, context())));
    await rig.containerOf(stopped.instanceId).stop({ t: 0 });
    await rig.containerOf(removed.instanceId).remove({ force: true });
    await vi.waitUntil(() => exits.length === 2, patience);
    for (const request of [stopped, removed]) {
      const exit = exits.find(({ instanceId }) => instanceId === request.instanceId);
      expect(exit).toMatchObject({ kind: 'lost', failed: true });
      expect(exit?.message).toContain('The container was stopped through the engine.');
    }
  });

  for (const [signal, image] of Object.entries(stoppedBy)) {
    containerTest(
      `calls an agent lost that somebody stops by its STOPSIGNAL, ${signal}, and that ends with 0`,
      async ({ rig, runtime }) => {
        const { exits, report } = collectExits();
        await runtime.watch(report);
        const script = `trap 'exit 0' ${signal.slice(3)}; touch /tmp/trapped; while :; do sleep 0.05; done`;
        const request = rig.request({ image, script });
        await runtime.provision(request, context());
        await vi.waitUntil(async () => (await rig.run(request.instanceId, 'ls', '/tmp')).includes('trapped'), patience);
        await rig.containerOf(request.instanceId).stop({ t: 20 });
        await vi.waitUntil(() => exits.length === 1, patience);
        expect((await rig.inspect(request.instanceId)).State.ExitCode).toBe(0);
        expect(exits[0]).toMatchObject({ kind: 'lost', failed: true });
        expect(exits[0]?.message).toContain('The container was stopped through the engine.');
      },
    );
  }

  containerTest(
    'does not report what ends on being asked to, or by a replacement or a failed start',
    async ({ rig, runtime }) => {
      const { exits, report } = collectExits();
      await runtime.watch(report);
      const script = `${untilGo}; exit 4`;
      const replaced = rig.request();
      const [removed, marker] = [rig.request({ script }), rig.request({ script })];
      await Promise.all([removed, replaced, marker].map((request) => runtime.provision(request, context())));
      const beforeStop = async () => {
        await rig.go(removed.instanceId);
        await rig.untilEnded(removed.instanceId);
      };
      await runtime.cleanUp(removed.instanceId, { ...context(), beforeStop });
      await runtime.provision({ ...replaced, generation: 2 }, context());
      const failing = rig.request({ image: checkedImage, ready: 'healthcheck', script: 'exit 1' });
      await runtime.provision(failing, context()).catch(() => undefined);
      await rig.go(marker.instanceId);
      // The engine tells of ends in their order, so that the marker's comes after those before it.
      await vi.waitUntil(() => exits.length > 0, patience);
      expect(exits.map(({ instanceId }) => instanceId)).toEqual([marker.instanceId]);
    },
  );
});
