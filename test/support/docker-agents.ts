import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { pino } from 'pino';
import { expect, inject, test, vi } from 'vitest';
import { dockerSpec, type DockerSpec } from '../../runtimes/docker/spec.ts';
import { labels } from '../../runtimes/docker/container-spec.ts';
import { createDockerRuntime } from '../../runtimes/docker/docker-runtime.ts';
import type { ProvisionRequest, Runtime } from '../../runtimes/runtime.ts';
import { engineAt, plainImage } from './docker-images.ts';

/** What a request for an agent is in tests: the shell script to run, or a command, and what differs from the defaults. */
interface ContainerOptions
  extends Partial<Omit<ProvisionRequest, 'spec' | 'control'>>, Partial<Omit<DockerSpec, 'kind' | 'control'>> {
  script?: string;
}

/** Waits for `go`. To be put before what an agent does once its start is over. */
export const untilGo = 'while [ ! -e /tmp/go ]; do sleep 0.05; done';

/** Runs a command in a container. @returns what it prints */
export async function runIn(container: Docker.Container, ...command: string[]): Promise<string> {
  const exec = await container.exec({ Cmd: command, AttachStdout: true, Tty: true });
  const stream = await exec.start({ Tty: true });
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) text += String(chunk);
  return text.replaceAll('\r\n', '\n');
}

/** Lets an agent go on that waits for it. */
export async function go(container: Docker.Container): Promise<void> {
  const said = await runIn(container, 'touch', '/tmp/go');
  if (said !== '') throw new Error(said);
}

/** The containers of an instance, in whatever state. */
export function containersOf(docker: Docker, instanceId: string): Promise<Docker.ContainerInfo[]> {
  return docker.listContainers({ all: true, filters: { name: [`^/instance-${instanceId}$`] } });
}

export async function removeContainers(docker: Docker, scope: string): Promise<void> {
  const left = await docker.listContainers({ all: true, filters: { label: [`${labels.scope}=${scope}`] } });
  await Promise.all(left.map(({ Id }) => docker.getContainer(Id).remove({ force: true, v: true })));
}

/** What a running container has on the engine's host. @returns a check that nothing is left of it */
export async function traceContainer(docker: Docker, instanceId: string): Promise<() => Promise<void>> {
  const container = docker.getContainer(`instance-${instanceId}`);
  const [{ Mounts: mounts }, { Processes: processes }] = await Promise.all([container.inspect(), container.top()]);
  const pids = processes.map((row: string[]) => Number(row[1]));
  const volumes = mounts.flatMap(({ Name }) => Name ?? []);
  expect(volumes).toHaveLength(1);
  return async () => {
    expect(await containersOf(docker, instanceId)).toEqual([]);
    for (const name of volumes) {
      await expect(docker.getVolume(name).inspect()).rejects.toMatchObject({ statusCode: 404 });
    }
    // On another host, these are the ids of other processes.
    if (inject('docker')?.ownEngines) expect(pids.filter(isRunning)).toEqual([]);
  };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Runtimes on the engine of this test run, or another one, and all that a test starts there; `dispose` ends and removes everything. */
export function createContainerRig({ host = inject('docker')?.host ?? '' } = {}) {
  const docker = engineAt(host);
  const scope = `test-${randomUUID()}`;
  const runtimes: Runtime<DockerSpec>[] = [];

  const containerOf = (instanceId: string) => docker.getContainer(`instance-${instanceId}`);

  return {
    docker,
    containerOf,

    request({ script, ...options }: ContainerOptions = {}): ProvisionRequest<DockerSpec> {
      const { instanceId = randomUUID(), agentId = randomUUID(), generation = 1, config = {}, ...spec } = options;
      const command = script === undefined ? ['sleep', '1000'] : ['sh', '-c', script];
      const whole = dockerSpec.parse({ kind: 'docker', image: plainImage, command, stop_grace_seconds: 1, ...spec });
      return { instanceId, agentId, generation, config, spec: whole };
    },

    /** A runtime as a new worker process would have it. */
    openRuntime(overrides: { host?: string } = {}): Runtime<DockerSpec> {
      const runtime = createDockerRuntime({ host, scope, logger: pino({ level: 'silent' }), ...overrides });
      runtimes.push(runtime);
      return runtime;
    },

    inspect: (instanceId: string) => containerOf(instanceId).inspect(),

    containersOf: (instanceId: string) => containersOf(docker, instanceId),

    /** Resolves once the container of an instance has ended. */
    untilEnded: (instanceId: string) =>
      vi.waitUntil(async () => !(await containerOf(instanceId).inspect()).State.Running, { timeout: 20_000 }),

    /** Resolves once the engine has heard that the kernel ended a process of the container for want of memory. */
    async untilOutOfMemory(instanceId: string): Promise<void> {
      const filters = { container: [`instance-${instanceId}`], event: ['oom'] };
      // From the beginning: it may have heard already.
      const events = (await docker.getEvents({ since: 1, filters })) as Readable;
      await once(events, 'data', { signal: AbortSignal.timeout(20_000) }).finally(() => events.destroy());
    },

    /** Runs a command in the container of an instance. */
    run: (instanceId: string, ...command: string[]) => runIn(containerOf(instanceId), ...command),

    go: (instanceId: string) => go(containerOf(instanceId)),

    /** What the container of an instance has printed. */
    async log(instanceId: string): Promise<string> {
      return String(await containerOf(instanceId).logs({ stdout: true, stderr: true }));
    },

    async dispose(): Promise<void> {
      await Promise.all(runtimes.map((runtime) => runtime.close()));
      await removeContainers(docker, scope);
    },
  };
}

/** A test with a rig of its own, and a runtime of that: such tests can run side by side. */
export const containerTest = test
  .extend('rig', ({ onTestFinished }) => {
    const rig = createContainerRig();
    onTestFinished(() => rig.dispose());
    return rig;
  })
  .extend('runtime', ({ rig }) => rig.openRuntime());
