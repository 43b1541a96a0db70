import { afterAll, describe, expect, inject, test, vi } from 'vitest';
import { controlQueueName } from '../../contracts/names.ts';
import { runInstances } from '../support/command-line.ts';
import { openControl } from '../support/control.ts';
import { containersOf, go, removeContainers, runIn, traceContainer, untilGo } from '../support/docker-agents.ts';
import { checkedImage, engineAt, plainImage } from '../support/docker-images.ts';
import { useRig } from '../support/rig.ts';

const container = { kind: 'docker', image: plainImage, stop_grace_seconds: 1 };
const patience = { timeout: 30_000 };

describe.skipIf(!inject('docker'))('an instance whose agent is a container', { concurrent: true }, () => {
  const host = inject('docker')?.host ?? '';
  const docker = engineAt(host);
  // Hooks run in reverse order: the containers go once the engine that would replace them has stopped.
  afterAll(async () => {
    const { temporal, taskQueue } = rig.configuration;
    await removeContainers(docker, `${temporal.namespace}/${taskQueue}`);
  });
  const rig = useRig({ settings: { DOCKER_HOST: host }, services: ['event_broker', 'agents_worker'] });

  const containerOf = (id: string) => docker.getContainer(`instance-${id}`);
  const run = async (spec: object = {}, config: object = {}): Promise<string> => {
    const id = await rig.insertInstance(await rig.publishAgent({ ...container, ...spec }), config);
    await rig.bus.until(id, 'instance.updated', 'running');
    return id;
  };
  const remove = async (id: string): Promise<void> => {
    await rig.deleteInstance(id);
    await rig.bus.until(id, 'instance.updated', 'stopped');
  };
  /** Resolves once another container than this one runs. */
  const untilReplaced = (id: string, first: string | undefined) =>
    vi.waitUntil(async () => {
      const [current] = await containersOf(docker, id);
      return current?.State === 'running' && current.Id !== first;
    }, patience);

  /** Resolves once it was said a second time that the instance runs. */
  const untilRanTwice = (id: string) =>
    vi.waitUntil(() => rig.bus.of(id).filter(({ body }) => body['status'] === 'running').length === 2, patience);

  // First, as its retries take the longest.
  test('whose agent is never ready is tried again, then failed with the reason, and nothing is left', async () => {
    const id = await rig.insertInstance(
      await rig.publishAgent({
        ...container,
        image: checkedImage,
        command: ['sh', '-c', 'echo looking for the moon; exec sleep 1000'],
        ready: 'healthcheck',
        ready_timeout_seconds: 1,
      }),
    );
    const { body } = await rig.bus.until(id, 'instance.updated', 'failed');
    const message: unknown = expect.stringMatching(/HEALTHCHECK .* not succeed within 1 s.*looking for the moon/s);
    expect(body).toMatchObject({ metadata: { status_reason: { code: 'provisioning_failed', message } } });
    expect(await containersOf(docker, id)).toEqual([]);
    await remove(id);
  });

  test('is explained with what it printed, is replaced when its config changes, and is gone with its row', async () => {
    const id = await run({ command: ['sh', '-c', 'echo good morning; exec sleep 1000'] }, { round: 1 });
    const checks = [await traceContainer(docker, id)];
    const [first] = await containersOf(docker, id);
    const { code, out } = await runInstances(['explain', id, '--json'], rig.environment);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      verdict: { state: 'running', sentence: expect.stringContaining('running generation 1') },
      runtime: { phase: 'running', runtime_id: first?.Id, generation: 1, output: { text: 'good morning' } },
      missing: [],
    });
    await rig.pool.query('update instances set config = $2 where id = $1', [id, { round: 2 }]);
    await untilReplaced(id, first?.Id);
    checks.push(await traceContainer(docker, id));
    await remove(id);
    for (const expectNothingLeft of checks) await expectNothingLeft();
  });

  test('runs again when somebody removes its container, with a control queue until its end', async () => {
    const control = openControl(rig, inject('servers').managementUrl);
    const id = await run({ control: true });
    const [first] = await containersOf(docker, id);
    await containerOf(id).remove({ force: true });
    await untilReplaced(id, first?.Id);
    // A start that is under way would be undone without a command to stop.
    await untilRanTwice(id);
    const queue = controlQueueName(id);
    expect(await control.queues()).toContain(queue);
    const environment = (await runIn(containerOf(id), 'env')).split('\n');
    expect(environment).toContain(`INSTANCE_CONTROL_URL=${rig.environmentOf('agents_worker').CONTROL_AMQP_URL}`);
    expect(environment).toContain(`INSTANCE_CONTROL_QUEUE=${queue}`);
    const commands = await control.tap(id);
    await remove(id);
    expect(commands.map(({ properties }) => properties.type as unknown)).toEqual(['instance.stop']);
    expect(await control.queues()).not.toContain(queue);
    expect(await containersOf(docker, id)).toEqual([]);
  });

  test('whose agent crashes is started again up to its limit, then failed with the reason, and nothing is left', async () => {
    const orphan = `setsid sh -c "trap '' TERM; while :; do sleep 0.1; done" &`;
    const id = await run({
      command: ['sh', '-c', `${orphan} ${untilGo}; echo no fuel; exit 3`],
      restart: { policy: 'on_failure', max_restarts: 1, backoff_seconds: 0.1 },
    });
    const checks = [await traceContainer(docker, id)];
    const [first] = await containersOf(docker, id);
    await go(containerOf(id));
    await untilReplaced(id, first?.Id);
    checks.push(await traceContainer(docker, id));
    await untilRanTwice(id);
    await go(containerOf(id));
    const { body } = await rig.bus.until(id, 'instance.updated', 'failed');
    const message: unknown = expect.stringMatching(/exit code 3\..*no fuel.*It was restarted 1 times in a row/s);
    expect(body).toMatchObject({ metadata: { status_reason: { code: 'agent_exited', message } } });
    for (const expectNothingLeft of checks) await expectNothingLeft();
    await remove(id);
  });

  test('whose agent is slow to stop and leaks is killed after its grace, with all that it started and wrote', async () => {
    const deaf = `trap '' TERM; echo deaf; while :; do sleep 0.1; done`;
    const id = await run({
      command: ['sh', '-c', `setsid sh -c "${deaf}" & (${deaf}) & touch /tmp/left; ${deaf}`],
      stop_grace_seconds: 2,
    });
    const printed = async () => String(await containerOf(id).logs({ stdout: true }));
    await vi.waitUntil(async () => (await printed()).split('deaf').length === 4, patience);
    const expectNothingLeft = await traceContainer(docker, id);
    const begun = performance.now();
    await remove(id);
    const tookMs = performance.now() - begun;
    expect(tookMs).toBeGreaterThan(2000);
    expect(tookMs).toBeLessThan(15_000);
    await expectNothingLeft();
  });
});
