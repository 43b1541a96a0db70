import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ProcessSpec } from '../../runtimes/process/spec.ts';
import type { Runtime } from '../../runtimes/runtime.ts';
import { collectExits, context, createAgentRig, killAgent } from '../support/process-agents.ts';

let rig: Awaited<ReturnType<typeof createAgentRig>>;
let runtime: Runtime<ProcessSpec>;

beforeEach(async () => {
  rig = await createAgentRig();
  runtime = rig.openRuntime();
});
afterEach(() => rig.dispose());

describe('watch', () => {
  test('reports the end of an agent with its exit code and last output, at once', async () => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const request = rig.request({
      ready: 'file',
      script: ': > "$INSTANCE_READY_FILE"; while [ ! -e go ]; do sleep 0.01; done; echo no fuel; exit 3',
    });
    const { runtimeId } = await runtime.provision(request, context());
    await writeFile(join(rig.folderOf(request.instanceId), 'state', 'go'), '');
    await vi.waitUntil(() => exits.length > 0, { interval: 5 });
    const message = 'The agent ended with exit code 3. Its last output: no fuel';
    expect(exits).toEqual([{ instanceId: request.instanceId, runtimeId, kind: 'exited', failed: true, message }]);
  });

  test('reports an agent that ends as soon as it has started as one that ran and ended, every time', async () => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const requests = Array.from({ length: 20 }, () => rig.request({ command: ['sh', '-c', 'exit 3'] }));
    const started = await Promise.all(requests.map((request) => runtime.provision(request, context())));
    await vi.waitUntil(() => exits.length >= requests.length);
    const ids = (of: { runtimeId: string }[]) => of.map(({ runtimeId }) => runtimeId).toSorted();
    expect(ids(exits)).toEqual(ids(started));
    expect(new Set(exits.map(({ message }) => message.slice(0, 34)))).toEqual(
      new Set(['The agent ended with exit code 3. ']),
    );
  });

  test('reports the end of agents that an earlier worker had started', async () => {
    const request = rig.request();
    const worker = await rig.startWorker('provision', request);
    await vi.waitUntil(() => worker.lines.length === 2);
    await worker.kill();
    const { exits, report } = collectExits();
    await runtime.watch(report);
    await killAgent(request.instanceId);
    await vi.waitUntil(() => exits.length > 0);
    expect(exits[0]).toMatchObject({ runtimeId: worker.lines[1], kind: 'exited' });
    expect(exits[0]?.message).toMatch(/its exit code is not known.*It printed nothing/);
  });

  test.each(['the worker that started it', 'a later worker'])(
    'quotes what an agent printed without its environment and config: %s',
    async (who) => {
      const printed = 'cat "$INSTANCE_CONFIG_FILE"; echo; echo "as $API_TOKEN at $INSTANCE_CONTROL_URL"';
      const request = {
        ...rig.request({
          script: `: > "$INSTANCE_READY_FILE"; while [ ! -e go ]; do sleep 0.05; done; ${printed}; exit 3`,
          ready: 'file',
          environment: { API_TOKEN: 'token-0123456789' },
          config: { api_key: 'config-0123456789', level: 'debug' },
        }),
        control: { url: 'amqp://agent:password-0123456789@host', queue: 'q' },
      };
      const { exits, report } = collectExits();
      if (who === 'a later worker') {
        const worker = await rig.startWorker('provision', request);
        await vi.waitUntil(() => worker.lines.length === 2);
        await worker.kill();
        await runtime.watch(report);
      } else {
        await runtime.watch(report);
        await runtime.provision(request, context());
      }
      await writeFile(join(rig.folderOf(request.instanceId), 'state', 'go'), '');
      await vi.waitUntil(() => exits.length > 0);
      const shown = `Its last output: {"api_key":"[config.api_key]","level":"debug"}\nas [$API_TOKEN] at [$INSTANCE_CONTROL_URL]`;
      expect(exits[0]?.message.slice(-shown.length)).toBe(shown);
      expect(await runtime.describe(request.instanceId)).toMatchObject({
        output: { text: shown.replace('Its last output: ', '') },
      });
      await rm(join(rig.folderOf(request.instanceId), 'secrets.json'));
      expect(await runtime.describe(request.instanceId)).not.toHaveProperty('output');
    },
  );

  test('repeats a report until it is accepted, and then never again', async () => {
    const request = rig.request();
    const refusing = collectExits({ refusals: Infinity });
    await runtime.watch(refusing.report);
    const { runtimeId } = await runtime.provision(request, context());
    await killAgent(request.instanceId);
    await vi.waitUntil(() => refusing.calls() >= 2);
    await runtime.close();

    const second = rig.openRuntime();
    const accepting = collectExits({ refusals: 1 });
    await second.watch(accepting.report);
    await vi.waitUntil(() => accepting.exits.length > 0);
    expect(accepting.exits).toEqual([expect.objectContaining({ runtimeId, kind: 'lost' })]);
    const reported = join(rig.folderOf(request.instanceId), 'reported');
    await vi.waitUntil(async () => (await readFile(reported, 'utf8').catch(() => '')) === runtimeId);
    const marker = rig.request();
    await second.provision(marker, context());
    await second.close();
    await killAgent(marker.instanceId);

    const third = collectExits();
    await rig.openRuntime().watch(third.report);
    await vi.waitUntil(() => third.calls() > 0);
    expect(third.exits.map(({ instanceId }) => instanceId)).toEqual([marker.instanceId]);
  });

  test('does not report what cleanUp, a replacement or a failed start ended', async () => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const observer = rig.openRuntime();
    const observed = collectExits();
    const [removed, replaced, marker, last] = [rig.request(), rig.request(), rig.request(), rig.request()];
    await Promise.all([removed, replaced, marker, last].map((request) => runtime.provision(request, context())));
    await observer.watch(observed.report);
    await runtime.cleanUp(removed.instanceId, context());
    await runtime.provision({ ...replaced, generation: 2 }, context());
    await runtime.provision(rig.request({ ready: 'file', script: 'exit 1' }), context()).catch(() => undefined);
    await killAgent(marker.instanceId);
    await vi.waitUntil(() => exits.length > 0);
    // The observer leaves the ends before to the worker that started the agents, and comes to them once that one is gone.
    await runtime.close();
    await killAgent(last.instanceId);
    await vi.waitUntil(() => observed.exits.length > 0);
    expect([exits, observed.exits].map((reported) => reported.map(({ instanceId }) => instanceId))).toEqual([
      [marker.instanceId],
      [last.instanceId],
    ]);
  });
});
