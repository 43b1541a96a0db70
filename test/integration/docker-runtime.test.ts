import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import type { DockerSpec } from '../../contracts/runtime-spec.ts';
import { AgentNotReady, RuntimeUnavailable, SpecRejected, type Runtime } from '../../runtimes/runtime.ts';
import { createContainerRig, untilGo } from '../support/docker-agents.ts';
import { checkedImage, plainImage } from '../support/docker-images.ts';
import { context } from '../support/process-agents.ts';

let rig: ReturnType<typeof createContainerRig>;
let runtime: Runtime<DockerSpec>;

const ready = 'touch /tmp/ready';
const wait = 'exec sleep 1000';

describe.skipIf(!inject('docker'))('the docker runtime', () => {
  beforeEach(() => {
    rig = createContainerRig();
    runtime = rig.openRuntime();
  });
  afterEach(() => rig.dispose());

  describe('provision', () => {
    test('repeated and simultaneous calls of several workers start one container', async () => {
      const request = rig.request();
      const workers = [runtime, ...[1, 2, 3, 4].map(() => rig.openRuntime())];
      const results = await Promise.all(workers.map((worker) => worker.provision(request, context())));
      const again = await rig.openRuntime().provision(request, context());
      expect(new Set([...results, again].map(({ runtimeId }) => runtimeId)).size).toBe(1);
      expect(await rig.containersOf(request.instanceId)).toHaveLength(1);
    });

    test('a higher generation replaces the running container, and a request that is out of date does not', async () => {
      const request = rig.request({ generation: 2 });
      const first = await runtime.provision(request, context());
      const beforeStop = vi.fn<() => Promise<void>>();
      const second = await runtime.provision({ ...request, generation: 3 }, { ...context(), beforeStop });
      const late = await runtime.provision({ ...request, generation: 1 }, context());
      expect(second.runtimeId).not.toBe(first.runtimeId);
      expect(late).toEqual(second);
      expect(beforeStop).toHaveBeenCalledTimes(1);
      expect((await rig.containersOf(request.instanceId)).map(({ Id }) => Id)).toEqual([second.runtimeId]);
    });

    test('a container that a crashed worker had created and not started is made anew', async () => {
      const request = rig.request();
      await runtime.provision(request, context());
      const { Config: config } = await rig.inspect(request.instanceId);
      await runtime.cleanUp(request.instanceId, context());
      const { id } = await rig.docker.createContainer({ ...config, name: `instance-${request.instanceId}` });
      const { runtimeId } = await runtime.provision(request, context());
      expect(runtimeId).not.toBe(id);
      expect((await rig.inspect(request.instanceId)).State.Running).toBe(true);
    });

    test('a container that has ended is replaced, also for the same generation', async () => {
      const request = rig.request();
      const first = await runtime.provision(request, context());
      await rig.containerOf(request.instanceId).kill();
      const second = await runtime.provision(request, context());
      expect(second.runtimeId).not.toBe(first.runtimeId);
    });

    test('a container of somebody else under the name is left alone, and the error says what to do', async () => {
      const request = rig.request();
      const name = `instance-${request.instanceId}`;
      const foreign = await rig.docker.createContainer({ name, Image: plainImage, Cmd: ['sleep', '1'] });
      const error = await runtime.provision(request, context()).catch((thrown: unknown) => thrown);
      await runtime.cleanUp(request.instanceId, context());
      expect(error).toBeInstanceOf(RuntimeUnavailable);
      expect(String(error)).toContain(`docker rm -f ${name}`);
      await foreign.remove();
    });

    test('waits for the HEALTHCHECK of the image', async () => {
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

    test('an agent that is not ready in time leaves nothing, and the error quotes its output', async () => {
      const script = `echo looking for the moon; ${wait}`;
      const request = rig.request({ image: checkedImage, ready: 'healthcheck', ready_timeout_seconds: 1, script });
      const error = await runtime.provision(request, context()).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(AgentNotReady);
      expect(String(error)).toMatch(/HEALTHCHECK .* not succeed within 1 s.*looking for the moon/);
      expect(await rig.containersOf(request.instanceId)).toEqual([]);
    });

    test('an agent that ends before it is ready is an error with its exit code and last lines', async () => {
      const script = 'for line in 1 2 3 4 5 6 7; do echo "line $line"; done; exit 3';
      const request = rig.request({ image: checkedImage, ready: 'healthcheck', script });
      const error = await runtime.provision(request, context()).catch(String);
      expect(error).toBe(
        'AgentNotReady: The agent ended with exit code 3, before it was ready. ' +
          'Its last output: line 3\nline 4\nline 5\nline 6\nline 7',
      );
      expect(await rig.containersOf(request.instanceId)).toEqual([]);
    });

    test.each([
      ['a command that does not exist', { command: ['no-such-command'] }, /exit code 127.*no-such-command/],
      ['a network that does not exist', { network: 'no-such-network' }, /no-such-network/],
      ['more CPUs than there are', { cpus: 64 }, /Range of CPUs/],
      ['a HEALTHCHECK that the image lacks', { ready: 'healthcheck' as const }, /has no HEALTHCHECK/],
      ['a user that the image lacks', { user: 'captain' }, /captain/],
    ])('%s is rejected for good, and a repaired spec then starts', async (_, spec, message) => {
      const request = rig.request(spec);
      const error = await runtime.provision(request, context()).catch((thrown: unknown) => thrown);
      expect(String(error)).toMatch(message);
      expect(error).toBeInstanceOf(SpecRejected);
      expect(await rig.containersOf(request.instanceId)).toEqual([]);
      await runtime.provision(rig.request({ instanceId: request.instanceId }), context());
    });

    test('an image that its registry does not have is rejected with the words of the engine', async () => {
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
    });

    test('a registry that is away is a reason to try again', async () => {
      const request = rig.request({ image: '127.0.0.1:1/agents/none:1' });
      const error = await runtime.provision(request, context()).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(RuntimeUnavailable);
      expect(String(error)).toContain('connection refused');
    });

    test('an engine that is away is a reason to try again, which names its address', async () => {
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

    test('when it is aborted, it ends what it began, heartbeating until then', async () => {
      const abort = new AbortController();
      const heartbeat = vi.fn<() => void>();
      const request = rig.request({ image: checkedImage, ready: 'healthcheck' });
      const provisioning = runtime.provision(request, { signal: abort.signal, heartbeat });
      await vi.waitUntil(() => heartbeat.mock.calls.length >= 2, { timeout: 5000 });
      abort.abort(new Error('no longer wanted'));
      await expect(provisioning).rejects.toThrow('no longer wanted');
      expect(await rig.containersOf(request.instanceId)).toEqual([]);
    });

    test('what has to come before a start comes once nothing runs, and a failure of it starts nothing', async () => {
      const request = rig.request();
      const beforeStart = vi.fn<() => Promise<void>>().mockRejectedValueOnce(new Error('no queue'));
      const withQueue = { ...context(), beforeStart };
      await expect(runtime.provision(request, withQueue)).rejects.toThrow('no queue');
      expect(await rig.containersOf(request.instanceId)).toEqual([]);
      await runtime.provision(request, withQueue);
      await runtime.provision(request, withQueue);
      expect(beforeStart).toHaveBeenCalledTimes(2);
    });
  });

  describe('cleanUp', () => {
    test('lets the agent end gracefully, and removes container and volumes', async () => {
      const request = rig.request({
        script: `trap 'exit 0' TERM; while :; do sleep 0.05; done`,
        stop_grace_seconds: 30,
      });
      const { runtimeId } = await runtime.provision(request, context());
      const { Mounts: mounts } = await rig.inspect(request.instanceId);
      const begun = performance.now();
      await runtime.cleanUp(request.instanceId, context());
      expect(performance.now() - begun).toBeLessThan(15_000);
      expect(await rig.containersOf(request.instanceId)).toEqual([]);
      const volume = rig.docker.getVolume(mounts.find(({ Type }) => Type === 'volume')?.Name ?? runtimeId);
      await expect(volume.inspect()).rejects.toMatchObject({ statusCode: 404 });
    });

    test('kills an agent that ignores SIGTERM, once its grace period is over, and all that it started', async () => {
      const deaf = `trap '' TERM; echo deaf; while :; do sleep 0.05; done`;
      const script = `(${deaf}) & ${deaf}`;
      const request = rig.request({ script, stop_grace_seconds: 1 });
      await runtime.provision(request, context());
      await vi.waitUntil(async () => (await rig.log(request.instanceId)).split('deaf').length === 3);
      const { Processes: processes } = await rig.containerOf(request.instanceId).top();
      const pids = processes.map((row: string[]) => Number(row[1]));
      expect(pids.length).toBeGreaterThanOrEqual(3);
      const begun = performance.now();
      await runtime.cleanUp(request.instanceId, context());
      expect(performance.now() - begun).toBeGreaterThan(1000);
      // On another host, these are the ids of other processes.
      const onThisHost = inject('docker')?.ownEngines ? pids : [];
      expect(onThisHost.filter(isRunning)).toEqual([]);
    });

    test('tolerates that there is nothing, being repeated, and an agent that has ended', async () => {
      await runtime.cleanUp(randomUUID(), context());
      const request = rig.request({ script: untilGo });
      await runtime.provision(request, context());
      await rig.go(request.instanceId);
      await vi.waitUntil(async () => !(await rig.inspect(request.instanceId)).State.Running);
      await Promise.all([1, 2].map(() => runtime.cleanUp(request.instanceId, context())));
      await runtime.cleanUp(request.instanceId, context());
      expect(await rig.containersOf(request.instanceId)).toEqual([]);
    });
  });

  test('describe and list tell of what is there', async () => {
    expect(await runtime.describe(randomUUID())).toBeUndefined();
    const request = rig.request({ generation: 7, script: `echo good morning; ${wait}` });
    const { runtimeId } = await runtime.provision(request, context());
    await vi.waitUntil(async () => (await rig.log(request.instanceId)).includes('good morning'));
    expect(await runtime.list()).toEqual([request.instanceId]);
    expect(await runtime.describe(request.instanceId)).toEqual({
      phase: 'running',
      runtimeId,
      generation: 7,
      pid: expect.any(Number),
      since: expect.any(Date),
      output: { text: 'good morning', at: expect.any(Date) },
    });
  });
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
