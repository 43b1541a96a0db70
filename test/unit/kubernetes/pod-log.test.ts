import { expect, test } from 'vitest';
import { readPodLog } from '../../../runtimes/kubernetes/pod-log.ts';

test('each line that an agent printed has its time in the log', () => {
  expect(readPodLog('2026-11-28T10:00:00.1Z one\n2026-11-28T10:00:01.2Z two words\n')).toEqual({
    text: 'one\ntwo words',
    at: new Date('2026-11-28T10:00:01.200Z'),
  });
});

test('a silent agent has printed nothing', () => {
  expect(readPodLog('')).toBeUndefined();
  expect(readPodLog('2026-11-28T10:00:00.1Z \n')).toBeUndefined();
});

test('what the kubelet says of a container that was removed is no output of the agent', () => {
  expect(readPodLog('unable to retrieve container logs for containerd://c52e9b26')).toBeUndefined();
});
