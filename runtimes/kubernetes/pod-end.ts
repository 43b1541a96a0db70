import { constants } from 'node:os';
import type { RuntimeExit } from '../runtime.ts';
import type { PodReading } from './pod-reading.ts';

/** The kubelet reports this of a container that it no longer finds. */
const unknownStatus = 'ContainerStatusUnknown';

/** An end that the agent did not cause itself is `lost`, after which the agent is started again. */
export function classifyEnd(reading: PodReading | undefined): Pick<RuntimeExit, 'kind' | 'failed' | 'message'> {
  const lost = (message: string) => ({ kind: 'lost', failed: true, message }) as const;
  if (reading === undefined) return lost('The pod was found removed.');
  const { terminated, endedByCluster, deleted, nodeName, evicted, sandboxUid } = reading;
  const sentence = terminated && terminated.reason !== unknownStatus ? ` ${describeEnd(reading)}` : '';
  if (endedByCluster) {
    const { reason, message } = endedByCluster;
    const why = [reason, message.replace(/\.$/, '')].filter((text) => text !== '').join(': ');
    return lost(`The cluster ended the pod (${why}).${sentence}`);
  }
  if (evicted !== undefined) {
    return {
      kind: 'exited',
      failed: true,
      message: `The cluster evicted the pod for what the agent used: ${evicted}.`,
    };
  }
  if (deleted && sandboxUid !== undefined) {
    return lost(`The pod was deleted through the cluster, or its Sandbox was suspended or deleted.${sentence}`);
  }
  if (deleted) return lost(`The pod was deleted through the cluster.${sentence}`);
  if (!terminated || terminated.reason === unknownStatus) {
    return lost(`The node ${nodeName ?? ''} no longer knows the container of the agent.`);
  }
  return { kind: 'exited', failed: terminated.exitCode !== 0, message: describeEnd(reading) };
}

/** A sentence that says how the agent of a pod ended. */
export function describeEnd({ terminated, memoryLimit }: Pick<PodReading, 'terminated' | 'memoryLimit'>): string {
  const { exitCode, signal: number, reason } = terminated ?? { exitCode: -1, signal: undefined, reason: undefined };
  // The container runtime reports a signal as 128 plus its number.
  const signal = Object.entries(constants.signals).find(([, each]) => each === number || exitCode === 128 + each)?.[0];
  const how =
    signal === undefined
      ? `The agent ended with exit code ${exitCode}.`
      : `The agent was ended by the signal ${signal} (exit code ${exitCode}).`;
  const limit = `its limit is ${memoryLimit.replace(/Mi$/, ' MiB')} (memory_mebibytes).`;
  if (reason === 'OOMKilled') return `${how} It ran out of memory: ${limit}`;
  // The container runtime misses some kills by the kernel: under cgroups v1, those whose group is gone before it is read.
  if (signal === 'SIGKILL') return `${how} The kernel may have ended it because it ran out of memory: ${limit}`;
  return how;
}

/** Whether the agent ended by itself, and neither the cluster nor a person ended its pod. */
export function isOwnEnd({ endedByCluster, deleted, terminated }: PodReading): boolean {
  return !endedByCluster && !deleted && terminated !== undefined && terminated.reason !== unknownStatus;
}
