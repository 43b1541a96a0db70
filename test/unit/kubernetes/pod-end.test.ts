import type { V1Pod, V1PodStatus } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { classifyEnd } from '../../../runtimes/kubernetes/pod-end.ts';
import { readPod } from '../../../runtimes/kubernetes/pod-reading.ts';
import { failedStart, findStartFailure } from '../../../runtimes/kubernetes/start-failure.ts';

type Metadata = Pick<
  NonNullable<V1Pod['metadata']>,
  'deletionTimestamp' | 'deletionGracePeriodSeconds' | 'ownerReferences'
>;
type Status = Pick<V1PodStatus, 'phase' | 'reason' | 'message' | 'conditions'>;

function podWith(status: V1PodStatus, metadata: Metadata = {}): V1Pod {
  return {
    metadata: { name: 'instance-1', uid: 'uid', ...metadata },
    spec: { nodeName: 'node-7', containers: [{ name: 'agent', resources: { limits: { memory: '64Mi' } } }] },
    status,
  };
}

function withState(state: object, status: Status = {}, metadata: Metadata = {}): V1Pod {
  const container = { name: 'agent', image: 'agent:1', imageID: '', ready: false, restartCount: 0, state };
  return podWith({ phase: 'Running', containerStatuses: [container], ...status }, metadata);
}

const ended = (exitCode: number, reason = 'Error') => ({ terminated: { exitCode, reason } });
const deleted = { deletionTimestamp: new Date(), deletionGracePeriodSeconds: 0 };
const ofSandbox = { apiVersion: 'agents.x-k8s.io/v1beta1', kind: 'Sandbox', name: 'instance-1', uid: 'sandbox' };
const disrupted = (reason: string) => ({
  conditions: [{ type: 'DisruptionTarget', status: 'True', reason, message: 'node-7 is drained' }],
});

describe('an end', () => {
  test.each<[string, V1Pod, object]>([
    ['with code 0 is no failure', withState(ended(0, 'Completed')), { kind: 'exited', failed: false }],
    ['with another code is one', withState(ended(3)), { kind: 'exited', failed: true, message: /exit code 3\.$/ }],
    [
      'for want of memory names the limit',
      withState(ended(137, 'OOMKilled')),
      { kind: 'exited', message: /SIGKILL \(exit code 137\)\. It ran out of memory: its limit is 64 MiB/ },
    ],
    [
      'by SIGKILL may be for want of memory',
      withState(ended(137)),
      { kind: 'exited', message: /kernel may have ended it/ },
    ],
    [
      'of a pod that somebody deleted is lost',
      withState(ended(143), {}, deleted),
      { kind: 'lost', message: /deleted through the cluster\. The agent was ended by the signal SIGTERM/ },
    ],
    [
      'of a pod that is deleted is lost, maybe because somebody suspended its Sandbox',
      withState(ended(143), {}, { ...deleted, ownerReferences: [ofSandbox] }),
      { kind: 'lost', message: /its Sandbox was suspended or deleted\. The agent was ended by the signal SIGTERM/ },
    ],
    [
      'of a pod whose node never answered is lost',
      podWith({ phase: 'Running' }, deleted),
      { kind: 'lost', message: /deleted through the cluster/ },
    ],
    [
      'by a drain is lost',
      withState(ended(143), disrupted('EvictionByEvictionAPI'), deleted),
      { kind: 'lost', message: /EvictionByEvictionAPI: node-7 is drained\)/ },
    ],
    [
      'with the node is lost',
      podWith({ phase: 'Failed', ...disrupted('DeletionByPodGC') }),
      { kind: 'lost', message: /DeletionByPodGC/ },
    ],
    [
      'by a node that has no room is lost',
      podWith({ phase: 'Failed', reason: 'OutOfcpu', message: 'Node did not have enough resource: cpu' }),
      { kind: 'lost', message: /OutOfcpu: Node did not have enough resource: cpu/ },
    ],
    [
      'by an eviction for what the pod itself used is the fault of the agent',
      podWith({
        phase: 'Failed',
        reason: 'Evicted',
        message: 'Usage of EmptyDir volume "tmp" exceeds the limit "64Mi". ',
      }),
      { kind: 'exited', failed: true, message: /EmptyDir volume "tmp" exceeds/ },
    ],
    [
      'that the node does not know is lost',
      withState(ended(137, 'ContainerStatusUnknown'), { phase: 'Failed' }),
      { kind: 'lost', message: /node-7 no longer knows/ },
    ],
  ])('%s', (_, pod, { message = /./, ...expected }: { message?: RegExp }) => {
    const reading = readPod(pod);
    expect(reading.phase).toBe('ended');
    const end = classifyEnd(reading);
    expect(end).toMatchObject(expected);
    expect(end.message).toMatch(message);
  });

  test('of a pod that is gone is lost', () => {
    expect(classifyEnd(undefined)).toMatchObject({ kind: 'lost', message: 'The pod was found removed.' });
  });
});

describe('a start', () => {
  const failureOf = (reason: string, message: string) =>
    findStartFailure(readPod(withState({ waiting: { reason, message } })), 'agent:1');

  test.each([
    ['ErrImagePull', 'failed to resolve reference "r/agent:1": r/agent:1: not found', 'SpecRejected'],
    ['ErrImagePull', 'failed to resolve image: no match for platform in manifest: not found', 'SpecRejected'],
    ['ErrImagePull', 'pull access denied, repository does not exist or may require authorization', 'SpecRejected'],
    ['ErrImagePull', 'failed to do request: dial tcp 127.0.0.1:1: connect: connection refused', 'RuntimeUnavailable'],
    ['InvalidImageName', 'couldn\'t parse image name "A"', 'SpecRejected'],
    ['ErrImageNeverPull', 'Container image "agent:1" is not present with pull policy of Never', 'SpecRejected'],
    ['CreateContainerConfigError', 'container has runAsNonRoot and image will run as root', 'SpecRejected'],
    ['RunContainerError', 'exec: "no-such": executable file not found in $PATH', 'SpecRejected'],
    ['CreateContainerError', 'context deadline exceeded', 'RuntimeUnavailable'],
  ])('that fails with %s: %s is %s', (reason, message, name) => {
    expect(failureOf(reason, message)).toMatchObject({ name, message: expect.stringContaining(message) });
  });

  test('may still succeed while the kubelet prepares it', () => {
    expect(failureOf('ContainerCreating', '')).toBeUndefined();
    expect(failureOf('PodInitializing', '')).toBeUndefined();
  });

  test('as root says which user to give', () => {
    const message = 'container has runAsNonRoot and image has non-numeric user (agent), cannot verify user is non-root';
    expect(failureOf('CreateContainerConfigError', message)?.message).toContain('"user": "65534:65534"');
  });

  test.each<[string, V1Pod, string, string, RegExp]>([
    ['with exit code 3', withState(ended(3)), 'no fuel', 'AgentNotReady', /code 3, before it was ready\. no fuel/],
    ['with exit code 127', withState(ended(127)), 'sh: x: not found', 'SpecRejected', /code 127, before it was ready/],
    ['for another platform', withState(ended(255)), 'exec /bin/x: exec format error', 'SpecRejected', /exec format/],
    [
      'that the container runtime refuses',
      withState({
        terminated: { exitCode: 128, reason: 'StartError', message: 'exec: "x": executable file not found' },
      }),
      '',
      'SpecRejected',
      /StartError.*executable file not found/,
    ],
    ['that somebody deletes', withState(ended(143), {}, deleted), '', 'RuntimeUnavailable', /somebody deleted it/],
    [
      'that a node refuses',
      podWith({ phase: 'Failed', reason: 'OutOfcpu', message: 'no room' }),
      '',
      'RuntimeUnavailable',
      /OutOfcpu: no room/,
    ],
  ])('that ends %s is told as such', (_, pod, output, name, message) => {
    const error = failedStart(readPod(pod), output);
    expect(error.name).toBe(name);
    expect(error.message).toMatch(message);
  });
});

describe('a pod', () => {
  test('is created while its gate is closed, starts until its container runs, and is ready when the kubelet says so', () => {
    const gated = podWith({ phase: 'Pending' });
    gated.spec = { containers: [], schedulingGates: [{ name: 'instance-engine/config' }] };
    expect(readPod(gated).phase).toBe('created');
    expect(readPod(podWith({ phase: 'Pending' })).phase).toBe('starting');
    const running = withState({ running: { startedAt: new Date() } });
    expect(readPod(running)).toMatchObject({ phase: 'running', ready: false });
  });

  test('that was deleted still runs until its node confirms the end', () => {
    const stopping = { deletionTimestamp: new Date(), deletionGracePeriodSeconds: 30 };
    expect(readPod(withState({ running: {} }, {}, stopping))).toMatchObject({ phase: 'running', deleted: true });
  });

  test('that finds no node has the words of the scheduler', () => {
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: '0/3 nodes are available',
    };
    expect(readPod(podWith({ phase: 'Pending', conditions: [condition] })).waiting).toEqual({
      reason: 'Unschedulable',
      message: '0/3 nodes are available',
    });
  });
});
