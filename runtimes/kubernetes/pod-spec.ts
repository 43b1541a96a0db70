import { createHash } from 'node:crypto';
import type { V1Container, V1Pod, V1Probe, V1Secret, V1SecurityContext } from '@kubernetes/client-node';
import { instanceNameOf } from '../instance-name.ts';
import type { ProvisionRequest } from '../runtime.ts';
import type { KubernetesSpec } from './spec.ts';

/** The labels by which pods are selected. */
export const labels = {
  /** A digest of the scope, whose text may be too long for a label. */
  scope: 'instance-engine/scope',
  instanceId: 'instance-engine/instance-id',
  generation: 'instance-engine/generation',
  network: 'instance-engine/network',
} as const;

export const annotations = {
  scope: 'instance-engine/scope',
  agentId: 'instance-engine/agent-id',
  stopGraceSeconds: 'instance-engine/stop-grace-seconds',
  /** When agents_worker asked for the end. The end of the pod is then reported by nobody. */
  stopRequestedAt: 'instance-engine/stop-requested-at',
  /** The pod that a Secret was made for. */
  podUid: 'instance-engine/pod-uid',
} as const;

/** Keeps a deleted pod until its end is known to the engine, so that no end is lost while no worker watches. */
export const finalizer = 'instance-engine/exit';
/** Keeps a pod from every node until its Secret exists. */
export const schedulingGate = 'instance-engine/config';

export const containerName = 'agent';
export const configKey = 'config.json';
const controlUrlKey = 'control-url';
const configFolder = '/instance';
const keyOfVariable = (name: string): string => `environment.${Buffer.from(name).toString('hex')}`;

/** The key of a variable in the Secret, whose keys may have fewer characters than variables. */
export function variableOfKey(key: string): string | undefined {
  const hex = /^environment\.([0-9a-f]+)$/.exec(key)?.[1];
  return hex === undefined ? undefined : Buffer.from(hex, 'hex').toString('utf8');
}

export function scopeLabel(scope: string): string {
  return createHash('sha256').update(scope).digest('hex').slice(0, 40);
}

/**
 * The pod of an instance. It holds neither config nor environment, because many people may read pods and few may read
 * Secrets. It waits at a gate until its Secret exists.
 */
export function podOf({ request, scope }: { request: ProvisionRequest<KubernetesSpec>; scope: string }): V1Pod {
  const { instanceId, agentId, generation, spec } = request;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: instanceNameOf(instanceId),
      labels: {
        'app.kubernetes.io/managed-by': 'instance-engine',
        [labels.scope]: scopeLabel(scope),
        [labels.instanceId]: instanceId,
        [labels.generation]: String(generation),
        [labels.network]: spec.network,
      },
      annotations: {
        [annotations.scope]: scope,
        [annotations.agentId]: agentId,
        [annotations.stopGraceSeconds]: String(spec.stop_grace_seconds),
      },
      finalizers: [finalizer],
    },
    spec: {
      restartPolicy: 'Never',
      schedulingGates: [{ name: schedulingGate }],
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      // The process 1 of the pod then collects orphans, and an agent without handlers ends on SIGTERM.
      shareProcessNamespace: spec.init,
      terminationGracePeriodSeconds: graceSeconds(spec.stop_grace_seconds),
      securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
      containers: [containerOf(request)],
      volumes: [
        {
          name: 'config',
          secret: {
            secretName: instanceNameOf(instanceId),
            // Every user in the container may read it.
            defaultMode: 0o444,
            items: [{ key: configKey, path: configKey }],
          },
        },
        { name: 'tmp', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
      ],
    },
  };
}

/** What the pod reads when it starts. It belongs to the pod, so the cluster removes it with the pod. */
export function secretOf({
  request: { instanceId, config, control, spec },
  scope,
  podUid,
}: {
  request: ProvisionRequest<KubernetesSpec>;
  scope: string;
  podUid: string;
}): V1Secret {
  const name = instanceNameOf(instanceId);
  const environment = Object.entries(spec.environment).map(([variable, value]) => [keyOfVariable(variable), value]);
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      labels: { [labels.scope]: scopeLabel(scope), [labels.instanceId]: instanceId },
      annotations: { [annotations.podUid]: podUid },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name, uid: podUid }],
    },
    immutable: true,
    stringData: {
      ...Object.fromEntries(environment),
      [configKey]: JSON.stringify(config),
      ...(control && { [controlUrlKey]: control.url }),
    },
  };
}

/** Kubernetes counts whole seconds, and takes 0 for a deletion that does not wait for the end. */
export function graceSeconds(stopGraceSeconds: number): number {
  return Math.max(1, Math.ceil(stopGraceSeconds));
}

function containerOf({ instanceId, agentId, spec, control }: ProvisionRequest<KubernetesSpec>): V1Container {
  const name = instanceNameOf(instanceId);
  const plain = {
    INSTANCE_ID: instanceId,
    INSTANCE_NAME: name,
    AGENT_ID: agentId,
    INSTANCE_CONFIG_FILE: `${configFolder}/${configKey}`,
    ...(control && { INSTANCE_CONTROL_QUEUE: control.queue }),
  };
  const fromSecret = {
    ...Object.fromEntries(Object.keys(spec.environment).map((variable) => [variable, keyOfVariable(variable)])),
    ...(control && { INSTANCE_CONTROL_URL: controlUrlKey }),
  };
  const limits = { memory: `${spec.memory_mebibytes}Mi`, cpu: `${Math.round(spec.cpus * 1000)}m` };
  return {
    name: containerName,
    image: spec.image,
    imagePullPolicy: 'IfNotPresent',
    ...(spec.command && { args: spec.command.map(uninterpreted) }),
    env: [
      ...Object.entries(fromSecret)
        .filter(([variable]) => !(variable in plain))
        .map(([variable, key]) => ({ name: variable, valueFrom: { secretKeyRef: { name, key } } })),
      ...Object.entries(plain).map(([variable, value]) => ({ name: variable, value })),
    ],
    resources: { limits, requests: limits },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: spec.read_only,
      ...userOf(spec),
    },
    ...(spec.readiness_probe && { readinessProbe: probeOf(spec.readiness_probe) }),
    // The end of what a failed agent printed is then in the status of the pod, and outlives its log.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [
      { name: 'config', mountPath: configFolder, readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}

/** Without a user, the kubelet refuses an image whose user is root or has a name. */
function userOf({ user }: KubernetesSpec): Pick<V1SecurityContext, 'runAsNonRoot' | 'runAsUser' | 'runAsGroup'> {
  if (user === undefined) return { runAsNonRoot: true };
  const [uid = 0, gid] = user.split(':').map(Number);
  return { runAsNonRoot: uid !== 0, runAsUser: uid, ...(gid !== undefined && { runAsGroup: gid }) };
}

function probeOf(probe: NonNullable<KubernetesSpec['readiness_probe']>): V1Probe {
  const { command, port, http_path: path } = probe;
  const times = { periodSeconds: probe.period_seconds, timeoutSeconds: probe.timeout_seconds, failureThreshold: 1 };
  if (command !== undefined) return { ...times, exec: { command: command.map(uninterpreted) } };
  return path === undefined
    ? { ...times, tcpSocket: { port: port ?? 0 } }
    : { ...times, httpGet: { port: port ?? 0, path } };
}

/** Kubernetes replaces `$(NAME)` in commands by a variable, and `$$` by `$`. */
function uninterpreted(argument: string): string {
  return argument.replaceAll('$', '$$$$');
}
