import type { V1ContainerStateTerminated, V1Pod } from '@kubernetes/client-node';
import { annotations, containerName, labels, schedulingGate } from './pod-spec.ts';
import { sandboxGroup } from './sandboxes.ts';

/** The state of a pod at one moment. */
export interface PodReading {
  name: string;
  uid: string;
  /** Undefined for a pod that no agents_worker created. */
  instanceId: string | undefined;
  /** The Sandbox that the pod belongs to, which has the name of the pod. */
  sandboxUid: string | undefined;
  generation: number;
  stopGraceSeconds: number;
  /** `created`: no node may start the pod yet. `starting`: it is being placed, or its image pulled. */
  phase: 'created' | 'starting' | 'running' | 'ended';
  /** When the phase began, if known. */
  since: Date | undefined;
  /** The readiness probe has succeeded; without a probe, the container runs. */
  ready: boolean;
  /** An agents_worker asked for the end. */
  stopRequested: boolean;
  /** Somebody deleted the pod. It is kept until the engine knows its end. */
  deleted: boolean;
  nodeName: string | undefined;
  /** Why the pod does not run yet: the words of the scheduler or the kubelet. */
  waiting: { reason: string; message: string } | undefined;
  /** The end of the container, where the kubelet has told it. */
  terminated: V1ContainerStateTerminated | undefined;
  /** Why the cluster ended the pod. */
  endedByCluster: { reason: string; message: string } | undefined;
  /** Why the kubelet evicted the pod, where the pod exceeded a limit of its own. */
  evicted: string | undefined;
  memoryLimit: string;
}

export function readPod({ metadata = {}, spec, status = {} }: V1Pod): PodReading {
  const label = (name: string): string | undefined => metadata.labels?.[name];
  const container = status.containerStatuses?.find(({ name }) => name === containerName);
  const { running, terminated, waiting } = container?.state ?? {};
  const deleted = metadata.deletionTimestamp !== undefined;
  // Without a grace period, nobody waits for the node: it has confirmed the end, is gone, or somebody forced the deletion.
  const forgotten = deleted && metadata.deletionGracePeriodSeconds === 0;
  const hasEnded = terminated !== undefined || forgotten || status.phase === 'Succeeded' || status.phase === 'Failed';
  const isGated = spec?.schedulingGates?.some(({ name }) => name === schedulingGate) ?? false;
  const phase = hasEnded ? 'ended' : running ? 'running' : isGated ? 'created' : 'starting';
  return {
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    instanceId: label(labels.instanceId),
    sandboxUid: metadata.ownerReferences?.find(
      ({ apiVersion, kind }) => kind === 'Sandbox' && apiVersion.startsWith(`${sandboxGroup}/`),
    )?.uid,
    generation: Number(label(labels.generation)),
    stopGraceSeconds: Number(metadata.annotations?.[annotations.stopGraceSeconds]),
    phase,
    since: {
      created: metadata.creationTimestamp,
      starting: metadata.creationTimestamp,
      running: running?.startedAt,
      ended: terminated?.finishedAt ?? metadata.deletionTimestamp,
    }[phase],
    ready: container?.ready === true,
    stopRequested: metadata.annotations?.[annotations.stopRequestedAt] !== undefined,
    deleted,
    nodeName: spec?.nodeName,
    waiting: waiting ? { reason: waiting.reason ?? '', message: waiting.message ?? '' } : waitingForNode(status),
    terminated,
    endedByCluster: endedByCluster(status),
    evicted: status.reason === 'Evicted' ? (status.message?.replace(/\.$/, '') ?? '') : undefined,
    memoryLimit: spec?.containers[0]?.resources?.limits?.['memory'] ?? '',
  };
}

function waitingForNode({ conditions }: NonNullable<V1Pod['status']>): PodReading['waiting'] {
  const scheduled = conditions?.find(({ type }) => type === 'PodScheduled');
  // The gate may be open already.
  if (scheduled?.status !== 'False' || scheduled.reason === 'SchedulingGated') return undefined;
  return { reason: scheduled.reason ?? '', message: scheduled.message ?? '' };
}

/**
 * A pod that was evicted, preempted, refused by its node or shut down with it, or whose node is gone.
 * Source: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
 */
function endedByCluster({ conditions, reason, message }: NonNullable<V1Pod['status']>): PodReading['endedByCluster'] {
  const disrupted = conditions?.find(({ type, status }) => type === 'DisruptionTarget' && status === 'True');
  if (disrupted) return { reason: reason ?? disrupted.reason ?? '', message: message ?? disrupted.message ?? '' };
  // The kubelet evicts without that condition only what has exceeded a limit of its own.
  if (reason === undefined || reason === 'Evicted') return undefined;
  return { reason, message: message ?? '' };
}
