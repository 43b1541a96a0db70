import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import { Exec, type V1Pod } from '@kubernetes/client-node';
import { pino } from 'pino';
import { inject, vi } from 'vitest';
import { unless } from '../../../runtimes/kubernetes/cluster-error.ts';
import {
  createKubernetesRuntime,
  type KubernetesRuntimeOptions,
} from '../../../runtimes/kubernetes/kubernetes-runtime.ts';
import { containerName, labels, scopeLabel } from '../../../runtimes/kubernetes/pod-spec.ts';
import { kubernetesSpec, type KubernetesSpec } from '../../../runtimes/kubernetes/spec.ts';
import type { ProvisionRequest, Runtime } from '../../../runtimes/runtime.ts';
import type { TestNamespace } from './namespace.ts';

/** What a request for an agent is in tests: the shell script to run, or a command, and what differs from the defaults. */
interface PodOptions
  extends
    Partial<Omit<ProvisionRequest, 'spec'>>,
    Partial<Omit<KubernetesSpec, 'kind' | 'control' | 'readiness_probe'>> {
  script?: string;
  readiness_probe?: { command?: string[]; port?: number; http_path?: string };
}

/** Succeeds once there is a file /tmp/ready. */
export const readyFile = { command: ['test', '-e', '/tmp/ready'] };

/** Runtimes in a namespace, and all that a test starts there; `dispose` ends and removes everything. Agents are bare pods by default. */
export function createPodRig(namespace: TestNamespace, sandboxes: 'auto' | 'never' = 'never') {
  const scope = `test/${randomUUID()}`;
  const runtimes: Runtime<KubernetesSpec>[] = [];
  const log: string[] = [];
  const logger = pino({}, { write: (line: string) => void log.push(line) });
  const { api, admin, name: namespaceName } = namespace;

  const nameOf = (instanceId: string): string => `instance-${instanceId}`;
  const find = (instanceId: string): Promise<V1Pod | undefined> =>
    api.readNamespacedPod({ name: nameOf(instanceId), namespace: namespaceName }).catch(unless(404));

  /** Runs a command in the pod of an instance. @returns what it prints */
  async function run(instanceId: string, ...command: string[]): Promise<string> {
    let text = '';
    const output = new Writable({
      write(chunk, _, done) {
        text += String(chunk);
        done();
      },
    });
    await new Promise<void>((resolve, reject) => {
      new Exec(admin)
        .exec(
          namespaceName,
          nameOf(instanceId),
          containerName,
          command,
          output,
          output,
          null,
          false,
          ({ status, message }) => (status === 'Success' ? resolve() : reject(new Error(message))),
        )
        .catch(reject);
    });
    return text;
  }

  return {
    /** What the runtimes logged. */
    logged: (): string => log.join(''),
    find,
    run,

    request({ script, ...options }: PodOptions = {}): ProvisionRequest<KubernetesSpec> {
      const {
        instanceId = randomUUID(),
        agentId = randomUUID(),
        generation = 1,
        config = {},
        control,
        ...spec
      } = options;
      const command = script === undefined ? ['sleep', '1000'] : ['sh', '-c', script];
      const image = inject('kubernetes')?.image ?? 'agent:1';
      // The default of a whole CPU would let one pod at a time run on a small machine.
      const small = { cpus: 0.05, memory_mebibytes: 32, user: '65534:65534' };
      const whole = kubernetesSpec.parse({
        kind: 'kubernetes',
        image,
        command,
        stop_grace_seconds: 1,
        ...small,
        ...spec,
      });
      return { instanceId, agentId, generation, config, spec: whole, ...(control && { control }) };
    },

    /** A runtime as a new worker process would have it, with the account of agents_worker. */
    openRuntime(overrides: Partial<KubernetesRuntimeOptions> = {}): Runtime<KubernetesSpec> {
      const runtime = createKubernetesRuntime({
        namespace: namespaceName,
        kubeconfig: namespace.kubeconfig,
        scope,
        sandboxes,
        logger,
        ...overrides,
      });
      runtimes.push(runtime);
      return runtime;
    },

    /** Lets an agent go on that waits for a file /tmp/go. */
    go: async (instanceId: string): Promise<void> => void (await run(instanceId, 'touch', '/tmp/go')),

    secretOf: (instanceId: string) =>
      api.readNamespacedSecret({ name: nameOf(instanceId), namespace: namespaceName }).catch(unless(404)),

    /** Resolves once the container of an instance has ended. */
    untilEnded: (instanceId: string) =>
      vi.waitUntil(
        async () => (await find(instanceId))?.status?.containerStatuses?.[0]?.state?.terminated !== undefined,
        { timeout: 20_000 },
      ),

    /** What the pod of an instance has printed. */
    log: (instanceId: string) =>
      api.readNamespacedPodLog({ name: nameOf(instanceId), namespace: namespaceName, container: containerName }),

    async dispose(): Promise<void> {
      await Promise.all(runtimes.map((runtime) => runtime.close()));
      const labelSelector = `${labels.scope}=${scopeLabel(scope)}`;
      await namespace.sandboxes.removeAll(labelSelector);
      const { items } = await api.listNamespacedPod({ namespace: namespaceName, labelSelector });
      await Promise.all(items.map(({ metadata }) => namespace.removePod(metadata?.name ?? '')));
    },
  };
}
