import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { containerTest, createContainerRig, untilGo } from '../support/docker-agents.ts';
import { checkedImage } from '../support/docker-images.ts';
import { collectExits, context } from '../support/process-agents.ts';

describe.skipIf(!inject('docker'))('a container of the docker runtime', () => {
  const config = { text: `secret-of-the-config ${'ä"\\\n'.repeat(220_000)}` };
  const control = { url: 'amqp://agent:secret-of-the-bus@rabbitmq', queue: 'control' };
  let rig: ReturnType<typeof createContainerRig>;
  let request: ReturnType<typeof rig.request>;

  beforeAll(async () => {
    rig = createContainerRig();
    vi.stubEnv('DATABASE_URL', 'postgres://user:secret@localhost/db');
    const limits = { memory_mebibytes: 48, cpus: 0.25, pids_limit: 20 };
    const environment = { COLOUR: 'blue = green', INSTANCE_ID: 'somebody-else' };
    request = rig.request({ config, environment, ...limits });
    await rig.openRuntime().provision({ ...request, control }, context());
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await rig.dispose();
  });

  test('has the limits of its spec', async () => {
    const { HostConfig: limits } = await rig.inspect(request.instanceId);
    const memory = 48 * 2 ** 20;
    expect(limits).toMatchObject({ Memory: memory, MemorySwap: memory, NanoCpus: 250_000_000, PidsLimit: 20 });
  });

  test('has no privileges, no capabilities, no network, no mounts of the host and nothing of the image to write', async () => {
    const { HostConfig: host, Mounts: mounts } = await rig.inspect(request.instanceId);
    expect(host).toMatchObject({ Privileged: false, CapDrop: ['ALL'], NetworkMode: 'none', ReadonlyRootfs: true });
    expect(host.Binds ?? []).toEqual([]);
    expect(mounts.map(({ Type, Destination }) => [Type, Destination])).toEqual([['volume', '/instance']]);
    const status = await rig.run(request.instanceId, 'cat', '/proc/1/status');
    expect(status).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^CapBnd:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    const attempt = 'touch /file; touch /instance/file; touch /tmp/file && echo written';
    const said = await rig.run(request.instanceId, 'sh', '-c', attempt);
    expect(said).toMatch(/\/file: Read-only file system\n.*\/instance\/file: Permission denied\nwritten\n/);
  });

  test('finds a config of 1 MB in a file, which is in neither its command nor its environment nor its labels', async () => {
    const seen = await rig.run(request.instanceId, 'cat', '/instance/config.json');
    expect(JSON.parse(seen)).toEqual(config);
    expect(JSON.stringify(await rig.inspect(request.instanceId))).not.toContain('secret-of-the-config');
  });

  test('gets a clean environment, which its spec cannot use to pose as another instance', async () => {
    const { Config: found } = await rig.inspect(request.instanceId);
    expect(found.Env.filter((entry) => !entry.startsWith('PATH=')).toSorted()).toEqual(
      [
        'COLOUR=blue = green',
        `AGENT_ID=${request.agentId}`,
        `INSTANCE_ID=${request.instanceId}`,
        `INSTANCE_NAME=instance-${request.instanceId}`,
        'INSTANCE_CONFIG_FILE=/instance/config.json',
        `INSTANCE_CONTROL_URL=${control.url}`,
        'INSTANCE_CONTROL_QUEUE=control',
      ].toSorted(),
    );
  });

  test('has the secret of its control URL nowhere but in its environment', async () => {
    const { Config: found, ...container } = await rig.inspect(request.instanceId);
    const [listed] = await rig.containersOf(request.instanceId);
    expect(JSON.stringify([container, { ...found, Env: [] }, listed])).not.toContain('secret-of-the-bus');
  });
});

describe.skipIf(!inject('docker'))('a container of the docker runtime', { concurrent: true }, () => {
  containerTest(
    'is ended when it needs more memory than it may use, which its end says in words',
    async ({ rig, runtime }) => {
      const { exits, report } = collectExits();
      await runtime.watch(report);
      // Its shell outlives the kill of what it runs, until the engine, which hears of kills apart from ends, has heard of it.
      const script = `${untilGo}; tail /dev/zero; code=$?; while [ ! -e /tmp/end ]; do sleep 0.05; done; exit $code`;
      const request = rig.request({ memory_mebibytes: 16, script });
      await runtime.provision(request, context());
      await rig.go(request.instanceId);
      await rig.untilOutOfMemory(request.instanceId);
      await rig.run(request.instanceId, 'touch', '/tmp/end');
      await vi.waitUntil(() => exits.length > 0, { timeout: 20_000 });
      expect(exits[0]).toMatchObject({ kind: 'exited', failed: true });
      expect(exits[0]?.message).toContain('It ran out of memory: its limit is 16 MiB (memory_mebibytes).');
    },
  );

  containerTest('cannot start more processes than it may', async ({ rig, runtime }) => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const script = `${untilGo}; n=0; while [ $n -lt 40 ]; do sleep 1000 & n=$((n + 1)); done; wait`;
    // More than the threads of the engine's helper that enters the container for \`go\`.
    const request = rig.request({ pids_limit: 30, script });
    await runtime.provision(request, context());
    await rig.go(request.instanceId);
    await vi.waitUntil(() => exits.length > 0, { timeout: 20_000 });
    expect(exits[0]?.message).toContain("sh: can't fork");
  });

  containerTest.for([
    ["the image's own", {}, 1000],
    ['the one of its spec', { user: '1234' }, 1234],
  ] as const)('runs as a user that is %s', async ([, spec, uid], { rig, runtime }) => {
    const request = rig.request({ image: checkedImage, ...spec });
    await runtime.provision(request, context());
    expect(await rig.run(request.instanceId, 'id', '-u')).toBe(`${uid}\n`);
  });
});
