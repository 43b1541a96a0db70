import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import type { DockerSpec } from '../../contracts/runtime-spec.ts';
import type { Runtime } from '../../runtimes/runtime.ts';
import { createContainerRig, untilGo } from '../support/docker-agents.ts';
import { checkedImage } from '../support/docker-images.ts';
import { collectExits, context } from '../support/process-agents.ts';

let rig: ReturnType<typeof createContainerRig>;
let runtime: Runtime<DockerSpec>;

describe.skipIf(!inject('docker'))('a container of the docker runtime', () => {
  beforeEach(() => {
    rig = createContainerRig();
    runtime = rig.openRuntime();
  });
  afterEach(() => rig.dispose());

  test('has the limits of its spec', async () => {
    const request = rig.request({ memory_mebibytes: 48, cpus: 0.25, pids_limit: 20 });
    await runtime.provision(request, context());
    const { HostConfig: limits } = await rig.inspect(request.instanceId);
    const memory = 48 * 2 ** 20;
    expect(limits).toMatchObject({ Memory: memory, MemorySwap: memory, NanoCpus: 250_000_000, PidsLimit: 20 });
  });

  test('is ended when it needs more memory than it may use, which its end says in words', async () => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const request = rig.request({ memory_mebibytes: 16, script: `${untilGo}; exec tail /dev/zero` });
    await runtime.provision(request, context());
    await rig.go(request.instanceId);
    await vi.waitUntil(() => exits.length > 0, { timeout: 20_000 });
    expect(exits[0]).toMatchObject({ kind: 'exited', failed: true });
    expect(exits[0]?.message).toContain('It ran out of memory: it may use 16 MiB (memory_mebibytes).');
  });

  test('cannot start more processes than it may', async () => {
    const { exits, report } = collectExits();
    await runtime.watch(report);
    const script = `${untilGo}; for n in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; wait`;
    const request = rig.request({ pids_limit: 8, script });
    await runtime.provision(request, context());
    await rig.go(request.instanceId);
    await vi.waitUntil(() => exits.length > 0, { timeout: 20_000 });
    expect(exits[0]?.message).toContain("sh: can't fork");
  });

  test('has no privileges, no capabilities, no network, no mounts of the host and nothing of the image to write', async () => {
    const request = rig.request();
    await runtime.provision(request, context());
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

  test.each([
    ['nobody where the image names root', {}, 65_534],
    ["the image's own", { image: checkedImage }, 1000],
    ['the one of its spec', { image: checkedImage, user: '1234' }, 1234],
  ])('runs as a user that is %s', async (_, spec, uid) => {
    const request = rig.request(spec);
    await runtime.provision(request, context());
    expect(await rig.run(request.instanceId, 'id', '-u')).toBe(`${uid}\n`);
  });

  test('finds a config of 1 MB in a file, which is in neither its command nor its environment nor its labels', async () => {
    const config = { text: `secret-of-the-config ${'ä"\\\n'.repeat(220_000)}` };
    const request = rig.request({ config, script: 'cat "$INSTANCE_CONFIG_FILE" > /tmp/copy; exec sleep 1000' });
    await runtime.provision(request, context());
    const seen = await rig.run(request.instanceId, 'cat', '/instance/config.json');
    expect(JSON.parse(seen)).toEqual(config);
    expect(JSON.stringify(await rig.inspect(request.instanceId))).not.toContain('secret-of-the-config');
  });

  test('gets a clean environment, which its spec cannot use to pose as another instance', async () => {
    vi.stubEnv('DATABASE_URL', 'postgres://user:secret@localhost/db');
    const environment = { COLOUR: 'blue = green', INSTANCE_ID: 'somebody-else' };
    const request = rig.request({ environment });
    const control = { url: 'amqp://agent@rabbitmq', queue: 'control' };
    await runtime.provision({ ...request, control }, context()).finally(() => vi.unstubAllEnvs());
    const { Config: config } = await rig.inspect(request.instanceId);
    expect(config.Env.filter((entry) => !entry.startsWith('PATH=')).toSorted()).toEqual(
      [
        'COLOUR=blue = green',
        `AGENT_ID=${request.agentId}`,
        `INSTANCE_ID=${request.instanceId}`,
        `INSTANCE_NAME=instance-${request.instanceId}`,
        'INSTANCE_CONFIG_FILE=/instance/config.json',
        'INSTANCE_CONTROL_URL=amqp://agent@rabbitmq',
        'INSTANCE_CONTROL_QUEUE=control',
      ].toSorted(),
    );
  });
});
