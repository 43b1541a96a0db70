import type { V1ObjectMeta, V1PodSpec, V1PodStatus } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { readPod } from '../../../runtimes/kubernetes/pod-reading.ts';
import { annotations, schedulingGate } from '../../../runtimes/kubernetes/pod-spec.ts';
import { statusInWords, whereIs } from '../../../runtimes/kubernetes/pod-words.ts';

interface Parts {
  spec?: Pick<V1PodSpec, 'schedulingGates'>;
  metadata?: Pick<V1ObjectMeta, 'annotations' | 'deletionTimestamp' | 'deletionGracePeriodSeconds'>;
  status?: V1PodStatus;
}

const pod = ({ spec, metadata, status = {} }: Parts = {}) =>
  readPod({
    metadata: { name: 'instance-1', uid: 'uid', ...metadata },
    spec: { nodeName: 'node-7', containers: [{ name: 'agent' }], ...spec },
    status,
  });
const withState = (state: object, ready = false): V1PodStatus => ({
  phase: 'Running',
  containerStatuses: [{ name: 'agent', image: 'agent:1', imageID: '', restartCount: 0, ready, state }],
});
const running = { running: { startedAt: new Date() } };
const exited = { terminated: { exitCode: 3, reason: 'Error' } };

test('a pod is named with its namespace and its node, or that it has none yet', () => {
  expect(whereIs(pod(), 'agents')).toBe('pod instance-1 of the namespace agents on the node node-7');
  const { nodeName: _, ...unplaced } = pod();
  expect(whereIs({ ...unplaced, nodeName: undefined }, 'agents')).toBe(
    'pod instance-1 of the namespace agents on no node yet',
  );
});

test.each<[string, Parts, string | undefined]>([
  ['waits at its gate', { spec: { schedulingGates: [{ name: schedulingGate }] } }, 'it waits for its Secret'],
  [
    'finds no node',
    {
      status: {
        conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes.' }],
      },
    },
    'Unschedulable: 0/1 nodes',
  ],
  [
    'cannot pull its image',
    { status: withState({ waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "a:1"' } }) },
    'ImagePullBackOff: Back-off pulling image "a:1"',
  ],
  ['was placed a moment ago', {}, 'its node has not started it yet'],
  ['is not ready', { status: withState(running) }, 'its readiness probe has not succeeded yet'],
  ['runs', { status: withState(running, true) }, undefined],
  [
    'somebody has deleted',
    { metadata: { deletionTimestamp: new Date(), deletionGracePeriodSeconds: 30 }, status: withState(running, true) },
    'somebody has deleted it, and it is about to end',
  ],
  [
    'is asked to end',
    { metadata: { annotations: { [annotations.stopRequestedAt]: 'now' } }, status: withState(running, true) },
    'agents_worker has asked it to end',
  ],
  ['has ended', { status: withState(exited) }, 'The agent ended with exit code 3'],
  [
    'has ended as it was asked to',
    {
      metadata: {
        annotations: { [annotations.stopRequestedAt]: 'now' },
        deletionTimestamp: new Date(),
        deletionGracePeriodSeconds: 0,
      },
      status: withState(exited),
    },
    'The agent ended with exit code 3',
  ],
])('the cluster says of a pod that %s', (_, parts, words) => {
  expect(statusInWords(pod(parts))).toBe(words);
});
