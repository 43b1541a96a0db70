import { classifyEnd, describeEnd } from './pod-end.ts';
import type { PodReading } from './pod-reading.ts';
import { whyNotYet } from './start-failure.ts';

/** Where the agent of a pod runs or ran, for a person. */
export function whereIs({ name, nodeName }: Pick<PodReading, 'name' | 'nodeName'>, namespace: string): string {
  const node = nodeName === undefined ? 'on no node yet' : `on the node ${nodeName}`;
  return `pod ${name} of the namespace ${namespace} ${node}`;
}

/** What the cluster says of a pod beyond its phase. Undefined when there is nothing more to say. */
export function statusInWords(pod: PodReading): string | undefined {
  if (pod.stopRequested)
    return pod.terminated ? describeEnd(pod).replace(/\.$/, '') : 'agents_worker has asked it to end';
  switch (pod.phase) {
    case 'created':
      return 'it waits for its Secret';
    case 'starting':
      return whyNotYet(pod) ?? 'its node has not started it yet';
    case 'running':
      if (pod.deleted) return 'somebody has deleted it, and it is about to end';
      return pod.ready ? undefined : 'its readiness probe has not succeeded yet';
    case 'ended':
      return classifyEnd(pod).message.replace(/\.$/, '');
  }
}
