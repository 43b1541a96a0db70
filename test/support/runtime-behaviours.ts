import { randomUUID } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import {
  AgentNotReady,
  RuntimeUnavailable,
  SpecRejected,
  type ProvisionRequest,
  type Runtime,
} from '../../runtimes/runtime.ts';
import { imageForOtherPlatform, missingImage } from './kubernetes/fake-registry.ts';
import { collectExits, context } from './process-agents.ts';

/** What a request for an agent is in these tests. */
export interface AgentOptions {
  /** A shell script. */
  script?: string;
  instanceId?: string;
  generation?: number;
  config?: Record<string, unknown>;
  environment?: Record<string, string>;
  /** Whether the agent says when it is ready, with `sayReady`. */
  saysReady?: boolean;
  ready_timeout_seconds?: number;
  stop_grace_seconds?: number;
  image?: string;
  memory_mebibytes?: number;
}

/** What differs between the kinds of runtime. */
export interface KindRig {
  request(options?: AgentOptions): ProvisionRequest<never>;
  /** A runtime as a new worker process would have it. */
  openRuntime(): Runtime<never>;
  /** Commands of the shell. */
  sayReady: string;
  /** The file that `untilGo` waits for. */
  goFile: (instanceId: string) => string;
  go(instanceId: string): Promise<void>;
  /** How many agents of the instance run or are kept. */
  count(instanceId: string): Promise<number>;
  dispose(): Promise<void>;
}

interface Kind {
  name: string;
  open: () => Promise<KindRig>;
  /** Whether agents are images, with a limit of their memory. */
  hasImages: boolean;
  /** Whether the images are pulled by this machine, which has the registries of the tests. */
  pullsHere: boolean;
}

const patience = { timeout: 40_000 };
const wait = 'exec sleep 1000';

/** What every kind of runtime promises (runtimes/runtime.ts), tried with real agents. */
export function describeRuntime({ name, open, hasImages, pullsHere }: Kind): void {
  const runtimeTest = test
    .extend('rig', async ({ onTestFinished }) => {
      const rig = await open();
      onTestFinished(() => rig.dispose());
      return rig;
    })
    .extend('runtime', ({ rig }) => rig.openRuntime());
  const untilGo = (rig: KindRig, id: string) => `while [ ! -e ${rig.goFile(id)} ]; do sleep 0.05; done`;
  /** A request with a script that waits until it is told to go on. */
  const waiting = (rig: KindRig, then: string, options: AgentOptions = {}) => {
    const instanceId = randomUUID();
    return rig.request({ ...options, instanceId, script: `${untilGo(rig, instanceId)}; ${then}` });
  };
  const errorOf = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => undefined,
      (error: unknown) => error,
    );

  describe(`the runtime of ${name}`, () => {
    runtimeTest('repeated and simultaneous calls of several workers start one agent', async ({ rig, runtime }) => {
      const request = rig.request();
      const workers = [runtime, rig.openRuntime(), rig.openRuntime()];
      const results = await Promise.all(workers.map((worker) => worker.provision(request, context())));
      expect(new Set(results.map(({ runtimeId }) => runtimeId)).size).toBe(1);
      expect(await rig.count(request.instanceId)).toBe(1);
    });

    runtimeTest('a new worker takes a running agent over as it is', async ({ rig, runtime }) => {
      const request = rig.request();
      const first = await runtime.provision(request, context());
      await runtime.close();
      const beforeStart = vi.fn<() => Promise<void>>();
      expect(await rig.openRuntime().provision(request, { ...context(), beforeStart })).toEqual(first);
      expect(beforeStart).not.toHaveBeenCalled();
    });

    runtimeTest(
      'a higher generation replaces the agent, and a request that is out of date does not',
      async ({ rig, runtime }) => {
        const { instanceId } = rig.request();
        const at = (generation: number) => rig.request({ instanceId, generation });
        const beforeStop = vi.fn<() => Promise<void>>(() => Promise.resolve());
        const first = await runtime.provision(at(2), context());
        const second = await runtime.provision(at(3), { ...context(), beforeStop });
        const late = await runtime.provision(at(1), context());
        expect(second.runtimeId).not.toBe(first.runtimeId);
        expect(late).toEqual(second);
        expect(beforeStop).toHaveBeenCalledTimes(1);
        expect(await rig.count(instanceId)).toBe(1);
        expect(await runtime.describe(instanceId)).toMatchObject({ ...second, phase: 'running', generation: 3 });
      },
    );

    runtimeTest('an agent that says when it is ready is waited for', async ({ rig, runtime }) => {
      const request = rig.request({ saysReady: true, script: `sleep 1; ${rig.sayReady}; ${wait}` });
      const begun = performance.now();
      await runtime.provision(request, context());
      expect(performance.now() - begun).toBeGreaterThan(1000);
    });

    runtimeTest('an agent that is never ready is ended, and the error quotes its output', async ({ rig, runtime }) => {
      const script = `echo looking for the moon; ${wait}`;
      const request = rig.request({ saysReady: true, ready_timeout_seconds: 2, script });
      const error = await errorOf(runtime.provision(request, context()));
      expect(error).toBeInstanceOf(AgentNotReady);
      expect(String(error)).toMatch(/within 2 s.*looking for the moon/s);
      expect(await rig.count(request.instanceId)).toBe(0);
    });

    runtimeTest(
      'an agent that ends before it is ready is an error with its exit code and last lines',
      async ({ rig, runtime }) => {
        const script = 'for line in 1 2 3 4 5 6 7; do echo "line $line"; done; exit 3';
        const request = rig.request({ saysReady: true, script });
        const error = await errorOf(runtime.provision(request, context()));
        expect(String(error)).toBe(
          'AgentNotReady: The agent ended with exit code 3, before it was ready. ' +
            'Its last output: line 3\nline 4\nline 5\nline 6\nline 7',
        );
        expect(await rig.count(request.instanceId)).toBe(0);
      },
    );

    runtimeTest(
      'a crash is reported with the exit code and the last output, until it is accepted',
      async ({ rig, runtime }) => {
        const { exits, calls, report } = collectExits({ refusals: 1 });
        await runtime.watch(report);
        const request = waiting(rig, 'echo no fuel; exit 3');
        const { runtimeId } = await runtime.provision(request, context());
        await rig.go(request.instanceId);
        await vi.waitUntil(() => exits.length > 0, patience);
        const message = 'The agent ended with exit code 3. Its last output: no fuel';
        const { instanceId } = request;
        expect(exits).toEqual([{ instanceId, runtimeId, kind: 'exited', failed: true, message }]);
        expect(calls()).toBe(2);
      },
    );

    runtimeTest('an end that came while nobody watched is reported to the next worker', async ({ rig, runtime }) => {
      const request = waiting(rig, 'exit 3');
      const { runtimeId } = await runtime.provision(request, context());
      await runtime.close();
      await rig.go(request.instanceId);
      const worker = rig.openRuntime();
      await vi.waitUntil(async () => (await worker.describe(request.instanceId))?.phase === 'ended', patience);
      const { exits, report } = collectExits();
      await worker.watch(report);
      await vi.waitUntil(() => exits.length > 0, patience);
      expect(exits).toEqual([expect.objectContaining({ runtimeId, failed: true })]);
    });

    runtimeTest('what an agent prints of its environment and config is masked', async ({ rig, runtime }) => {
      const printed = 'cat "$INSTANCE_CONFIG_FILE"; echo; echo "$INSTANCE_ID as $API_TOKEN"';
      const environment = { API_TOKEN: 'token-0123456789' };
      const config = { api_key: 'config-0123456789', level: 'debug' };
      const { exits, report } = collectExits();
      await runtime.watch(report);
      const request = waiting(rig, `${printed}; exit 3`, { environment, config });
      await runtime.provision(request, context());
      await rig.go(request.instanceId);
      await vi.waitUntil(() => exits.length > 0, patience);
      const text = `{"api_key":"[config.api_key]","level":"debug"}\n${request.instanceId} as [$API_TOKEN]`;
      expect(exits[0]?.message).toBe(`The agent ended with exit code 3. Its last output: ${text}`);
    });

    runtimeTest(
      'a config gets the secrets of the host that it refers to, and they are masked',
      async ({ rig, runtime }) => {
        const hostSecrets = { read: async (secret: string) => (secret === 'db' ? 'host-0123456789' : undefined) };
        const withSecrets = (request: ProvisionRequest): ProvisionRequest<never> => {
          const spec = { ...request.spec, secrets: ['db', 'missing'] };
          return { ...request, spec, hostSecrets } as ProvisionRequest<never>;
        };
        const { exits, report } = collectExits();
        await runtime.watch(report);
        const printed = 'grep -c host-0123456789 "$INSTANCE_CONFIG_FILE"; cat "$INSTANCE_CONFIG_FILE"';
        const request = withSecrets(waiting(rig, `${printed}; exit 3`, { config: { password: { $secret: 'db' } } }));
        await runtime.provision(request, context());
        await rig.go(request.instanceId);
        await vi.waitUntil(() => exits.length > 0, patience);
        expect(exits[0]?.message).toMatch(/Its last output: 1\n\{"password":"\[config\.password\]"\}$/);

        const other = withSecrets(rig.request({ config: { password: { $secret: 'missing' } } }));
        const refused = await errorOf(runtime.provision(other, context()));
        expect(refused).toBeInstanceOf(SpecRejected);
        expect((refused as Error).message).toMatch(
          /^config\.password names the secret missing, which the host does not have/,
        );
        expect(await rig.count(other.instanceId)).toBe(0);
      },
    );

    runtimeTest('an agent that stops within its grace period ends by itself', async ({ rig, runtime }) => {
      const script = `trap 'exit 0' TERM; ${rig.sayReady}; while :; do sleep 0.05; done`;
      const request = rig.request({ saysReady: true, stop_grace_seconds: 60, script });
      const beforeStop = vi.fn<() => Promise<void>>(() => Promise.resolve());
      await runtime.provision(request, context());
      const begun = performance.now();
      await runtime.cleanUp(request.instanceId, { ...context(), beforeStop });
      expect(performance.now() - begun).toBeLessThan(30_000);
      expect(beforeStop).toHaveBeenCalledTimes(1);
      expect(await rig.count(request.instanceId)).toBe(0);
    });

    runtimeTest('an agent that does not is killed after it, and its end is not reported', async ({ rig, runtime }) => {
      const { exits, report } = collectExits();
      await runtime.watch(report);
      const deaf = rig.request({
        saysReady: true,
        stop_grace_seconds: 2,
        script: `trap '' TERM; ${rig.sayReady}; while :; do sleep 0.05; done`,
      });
      const marker = waiting(rig, 'exit 4');
      await runtime.provision(deaf, context());
      await runtime.provision(marker, context());
      const begun = performance.now();
      await runtime.cleanUp(deaf.instanceId, context());
      expect(performance.now() - begun).toBeGreaterThan(2000);
      expect(await rig.count(deaf.instanceId)).toBe(0);
      await rig.go(marker.instanceId);
      await vi.waitUntil(() => exits.length > 0, patience);
      expect(exits.map(({ instanceId }) => instanceId)).toEqual([marker.instanceId]);
    });

    runtimeTest(
      'an agent without an owner is listed, and cleaned up without anything known of it',
      async ({ rig, runtime }) => {
        const request = rig.request({ generation: 7 });
        await runtime.provision(request, context());
        await runtime.close();
        const worker = rig.openRuntime();
        expect(await worker.list()).toEqual([{ instanceId: request.instanceId, generation: 7 }]);
        await worker.cleanUp(request.instanceId, context());
        await worker.cleanUp(request.instanceId, context());
        expect(await worker.list()).toEqual([]);
        expect(await worker.describe(request.instanceId)).toBeUndefined();
      },
    );

    runtimeTest('all workers have the same host, which is a uuid', async ({ rig, runtime }) => {
      const id = await runtime.identify();
      expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      expect(await rig.openRuntime().identify()).toBe(id);
    });

    runtimeTest.skipIf(!hasImages)(
      'an agent that needs more memory than its limit is told so',
      async ({ rig, runtime }) => {
        const { exits, report } = collectExits();
        await runtime.watch(report);
        const request = waiting(rig, 'tail /dev/zero', { memory_mebibytes: 16 });
        await runtime.provision(request, context());
        await rig.go(request.instanceId);
        await vi.waitUntil(() => exits.length > 0, patience);
        expect(exits[0]).toMatchObject({ kind: 'exited', failed: true });
        expect(exits[0]?.message).toMatch(/out of memory: its limit is 16 MiB \(memory_mebibytes\)/);
      },
    );

    runtimeTest.skipIf(!pullsHere)(
      'an image that its registry does not have is rejected for good',
      async ({ rig, runtime }) => {
        const request = rig.request({ image: await missingImage() });
        const error = await errorOf(runtime.provision(request, context()));
        expect(error).toBeInstanceOf(SpecRejected);
        expect(String(error)).toMatch(/agents\/none:1 cannot be pulled: .*(manifest|not found)/);
        expect(await rig.count(request.instanceId)).toBe(0);
      },
    );

    runtimeTest.skipIf(!pullsHere)('an image for another platform is rejected for good', async ({ rig, runtime }) => {
      const request = rig.request({ image: await imageForOtherPlatform() });
      const error = await errorOf(runtime.provision(request, context()));
      expect(error).toBeInstanceOf(SpecRejected);
      expect(String(error)).toMatch(/agents\/foreign:1 cannot be pulled: .*no match/);
      expect(await rig.count(request.instanceId)).toBe(0);
    });

    runtimeTest.skipIf(!pullsHere)('a registry that is away is a reason to try again', async ({ rig, runtime }) => {
      const request = rig.request({ image: '127.0.0.1:1/agents/none:1' });
      const error = await errorOf(runtime.provision(request, context()));
      expect(error).toBeInstanceOf(RuntimeUnavailable);
      expect(String(error)).toContain('connection refused');
      expect(await rig.count(request.instanceId)).toBe(0);
    });
  });
}
