import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, inject, vi } from 'vitest';
import { containerOptions } from '../../runtimes/docker/container-spec.ts';
import { RuntimeUnavailable, SpecRejected } from '../../runtimes/runtime.ts';
import { containerTest, traceContainer, untilGo } from '../support/docker-agents.ts';
import { checkedImage, plainImage } from '../support/docker-images.ts';
import { context } from '../support/process-agents.ts';

const ready = 'touch /tmp/ready';
const wait = 'exec sleep 1000';

// Apart from the others: on a machine that is busy starting a container, its creator would be taken for crashed.
describe.skipIf(!inject('docker'))('the docker runtime of several workers', () => {
  containerTest('repeated and simultaneous calls of several workers start one container', async ({ rig, runtime }) => {
    const request = rig.request();
    const workers = [runtime, ...[1, 2, 3, 4].map(() => rig.openRuntime())];
    const results = await Promise.all(workers.map((worker) => worker.provision(request, context())));
    const again = await rig.openRuntime().provision(request, context());
    expect(new Set([...results, again].map(({ runtimeId }) => runtimeId)).size).toBe(1);
    expect(await rig.containersOf(request.instanceId)).toHaveLength(1);
  });
});

describe.skipIf(!inject('docker'))('the docker runtime', { concurrent: true }, () => {
  describe('provision', () => {
    containerTest(
      'a container of a lower generation is replaced, and so is one that has ended, but not by a request that is out of date',
      async ({ rig, runtime }) => {
        const request = rig.request({ generation: 2 });
        const first = await runtime.provision(request, context());
        const beforeStop = vi.fn<() => Promise<void>>();
        const second = await runtime.provision({ ...request, generation: 3 }, { ...context(), beforeStop });
        const late = await runtime.provision({ ...request, generation: 1 }, context());
        expect(second.runtimeId).not.toBe(first.runtimeId);
        expect(late).toEqual(second);
        expect(beforeStop).toHaveBeenCalledTimes(1);
        expect((await rig.containersOf(request.instanceId)).map(({ Id }) => Id)).toEqual([second.runtimeId]);
        await rig.containerOf(request.instanceId).kill();
        const third = await runtime.provision({ ...request, generation: 3 }, context());
        expect(third.runtimeId).not.toBe(second.runtimeId);
      },
    );

    containerTest(
      'a container that a crashed worker had created and not started is made anew',
      async ({ rig, runtime }) => {
        const request = rig.request();
        const { id } = await rig.docker.createContainer(containerOptions({ request, imageUser: '', scope: '' }));
        const { runtimeId } = await runtime.provision(request, context());
        expect(runtimeId).not.toBe(id);
        expect((await rig.inspect(request.instanceId)).State.Running).toBe(true);
      },
    );

    containerTest(
      'a container of somebody else under the name is left alone, and the error says what to do',
      async ({ rig, runtime }) => {
        const request = rig.request();
        const name = `instance-${request.instanceId}`;
        const foreign = await rig.docker.createContainer({ name, Image: plainImage, Cmd: ['sleep', '1'] });
        const error = await runtime.provision(request, context()).catch((thrown: unknown) => thrown);
        await runtime.cleanUp(request.instanceId, context());
        expect(error).toBeInstanceOf(RuntimeUnavailable);
        expect(String(error)).toContain(`docker rm -f ${name}`);
        await foreign.remove();
      },
    );

    containerTest('an agent is process 1 of its container when its spec asks for no init', async ({ rig, runtime }) => {
      const script = 'echo process $$; exec sleep 1000';
      const requests = [rig.request({ script }), rig.request({ script, init: false })];
      await Promise.all(requests.map((request) => runtime.provision(request, context())));
      const printed = requests.map(({ instanceId }) => vi.waitUntil(() => rig.log(instanceId), { timeout: 20_000 }));
      const [behindInit, alone] = await Promise.all(printed);
      expect(behindInit).toMatch(/process (?!1\n)\d+\n/);
      expect(alone).toMatch(/process 1\n/);
    });

    containerTest('waits for the HEALTHCHECK of the image', async ({ rig, runtime }) => {
      const request = rig.request({
        image: checkedImage,
        ready: 'healthcheck',
        script: `sleep 0.7; ${ready}; ${wait}`,
      });
      const begun = performance.now();
      await runtime.provision(request, context());
      expect(performance.now() - begun).toBeGreaterThan(700);
      expect((await rig.inspect(request.instanceId)).State.Health?.Status).toBe('healthy');
    });

    containerTest(
      'an agent that ends before it is ready is an error with its exit code and last lines',
      async ({ rig, runtime }) => {
        const script = 'for line in 1 2 3 4 5 6 7; do echo "line $line"; done; exit 3';
        const request = rig.request({ image: checkedImage, ready: 'healthcheck', script });
        const error = await runtime.provision(request, context()).catch(String);
        expect(error).toBe(
          'AgentNotReady: The agent ended with exit code 3, before it was ready. ' +
            'Its last output: line 3\nline 4\nline 5\nline 6\nline 7',
        );
        expect(await rig.containersOf(request.instanceId)).toEqual([]);
      },
    );

    containerTest(
      'what is wrong with a spec is rejected for good, and the repaired one then starts',
      async ({ rig, runtime }) => {
        const { instanceId } = rig.request();
        const wrong: [Parameters<typeof rig.request>[0], RegExp][] = [
          [
            { command: ['no-such-command'], image: checkedImage, ready: 'healthcheck' },
            /exit code 127.*no-such-command/,
          ],
          [{ network: 'no-such-network' }, /no-such-network/],
          [{ cpus: 64 }, /Range of CPUs/],
          [{ ready: 'healthcheck' }, /has no HEALTHCHECK/],
          [{ user: 'captain' }, /captain/],
        ];
        for (const [spec, message] of wrong) {
          const request = rig.request({ ...spec, instanceId });
          const error = await runtime.provision(request, context()).catch((thrown: unknown) => thrown);
          expect(String(error)).toMatch(message);
          expect(error).toBeInstanceOf(SpecRejected);
          expect(await rig.containersOf(instanceId)).toEqual([]);
        }
        await runtime.provision(rig.request({ instanceId }), context());
      },
    );

    containerTest(
      'an image that its registry does not have is rejected with the words of the engine',
      async ({ rig, runtime }) => {
        const registry = createServer((_, response) => {
          response.writeHead(404, { 'content-type': 'application/json' });
          response.end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
        });
        await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
        const { port } = registry.address() as AddressInfo;
        const request = rig.request({ image: `127.0.0.1:${port}/agents/none:1` });
        const error = await runtime.provision(request, context()).catch((thrown: unknown) => thrown);
        registry.close();
        registry.closeAllConnections();
        expect(String(error)).toMatch(/agents\/none:1 cannot be pulled: .*(manifest|not found)/);
        expect(error).toBeInstanceOf(SpecRejected);
      },
    );

    containerTest('a registry that is away is a reason to try again', async ({ rig, runtime }) => {
      const request = rig.request({ image: '127.0.0.1:1/agents/none:1' });
      const error = await runtime.provision(request, context()).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(RuntimeUnavailable);
      expect(String(error)).toContain('connection refused');
    });

    containerTest('an engine that is away is a reason to try again, which names its address', async ({ rig }) => {
      const away = rig.openRuntime({ host: 'unix:///no/such/docker.sock' });
      await away.watch(async () => {});
      for (const call of [
        () => away.provision(rig.request(), context()),
        () => away.cleanUp(randomUUID(), context()),
      ]) {
        const error = await call().catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(RuntimeUnavailable);
        expect(String(error)).toContain('unix:///no/such/docker.sock does not answer');
      }
    });

    containerTest('when it is aborted, it ends what it began, heartbeating until then', async ({ rig, runtime }) => {
      const abort = new AbortController();
      const heartbeat = vi.fn<() => void>();
      const request = rig.request({ image: checkedImage, ready: 'healthcheck' });
      const provisioning = runtime.provision(request, { signal: abort.signal, heartbeat });
      await vi.waitUntil(() => heartbeat.mock.calls.length >= 2);
      abort.abort(new Error('no longer wanted'));
      await expect(provisioning).rejects.toThrow('no longer wanted');
      expect(await rig.containersOf(request.instanceId)).toEqual([]);
    });

    containerTest(
      'what has to come before a start comes once nothing runs, and a failure of it starts nothing',
      async ({ rig, runtime }) => {
        const request = rig.request();
        const beforeStart = vi.fn<() => Promise<void>>().mockRejectedValueOnce(new Error('no queue'));
        const withQueue = { ...context(), beforeStart };
        await expect(runtime.provision(request, withQueue)).rejects.toThrow('no queue');
        expect(await rig.containersOf(request.instanceId)).toEqual([]);
        await runtime.provision(request, withQueue);
        await runtime.provision(request, withQueue);
        expect(beforeStart).toHaveBeenCalledTimes(2);
      },
    );
  });

  describe('cleanUp', () => {
    containerTest(
      'asks the agent to stop while it runs, lets it end gracefully, and leaves nothing',
      async ({ rig, runtime }) => {
        const request = rig.request({
          script: `trap 'exit 0' TERM; while :; do sleep 0.05; done`,
          stop_grace_seconds: 30,
        });
        await runtime.provision(request, context());
        const expectNothingLeft = await traceContainer(rig.docker, request.instanceId);
        const beforeStop = vi.fn<() => Promise<void>>(async () => {
          expect((await rig.inspect(request.instanceId)).State.Running).toBe(true);
        });
        const begun = performance.now();
        await runtime.cleanUp(request.instanceId, { ...context(), beforeStop });
        expect(performance.now() - begun).toBeLessThan(15_000);
        expect(beforeStop).toHaveBeenCalledTimes(1);
        await expectNothingLeft();
      },
    );

    containerTest('does not ask an agent without a grace period, which ends by force', async ({ rig, runtime }) => {
      const request = rig.request({ stop_grace_seconds: 0 });
      await runtime.provision(request, context());
      const expectNothingLeft = await traceContainer(rig.docker, request.instanceId);
      const beforeStop = vi.fn<() => Promise<void>>();
      await runtime.cleanUp(request.instanceId, { ...context(), beforeStop });
      expect(beforeStop).not.toHaveBeenCalled();
      await expectNothingLeft();
    });

    containerTest(
      'tolerates that there is nothing, being repeated, and an agent that has ended',
      async ({ rig, runtime }) => {
        await runtime.cleanUp(randomUUID(), context());
        const request = rig.request({ script: untilGo });
        await runtime.provision(request, context());
        await rig.go(request.instanceId);
        await rig.untilEnded(request.instanceId);
        const beforeStop = vi.fn<() => Promise<void>>();
        await Promise.all([1, 2].map(() => runtime.cleanUp(request.instanceId, { ...context(), beforeStop })));
        expect(beforeStop).not.toHaveBeenCalled();
        await runtime.cleanUp(request.instanceId, context());
        expect(await rig.containersOf(request.instanceId)).toEqual([]);
      },
    );
  });

  containerTest('describe and list tell of what is there', async ({ rig, runtime }) => {
    expect(await runtime.describe(randomUUID())).toBeUndefined();
    const request = rig.request({ generation: 7, script: `echo good morning; ${wait}` });
    const { runtimeId } = await runtime.provision(request, context());
    await vi.waitUntil(async () => (await rig.log(request.instanceId)).includes('good morning'));
    expect(await runtime.list()).toEqual([{ instanceId: request.instanceId, generation: request.generation }]);
    expect(await runtime.describe(request.instanceId)).toEqual({
      phase: 'running',
      where: `container instance-${request.instanceId}`,
      runtimeId,
      generation: 7,
      pid: expect.any(Number),
      since: expect.any(Date),
      output: { text: 'good morning', at: expect.any(Date) },
    });
  });
});
