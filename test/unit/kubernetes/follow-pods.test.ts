import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import { WatchFailed } from '../../../runtimes/kubernetes/cluster-error.ts';
import { followPods } from '../../../runtimes/kubernetes/follow-pods.ts';
import { readPod } from '../../../runtimes/kubernetes/pod-reading.ts';
import type { PodChange } from '../../../runtimes/kubernetes/cluster.ts';

const podOf = (name: string) => readPod({ metadata: { name, uid: name } });
const changed = (version: string, name?: string): PodChange => ({
  version,
  removed: false,
  ...(name !== undefined && { pod: podOf(name) }),
});

/** Follows an API server whose watches yield these changes and then end, or fail. */
async function follow(watches: (PodChange | Error)[][]) {
  const asked: string[] = [];
  const seen: string[] = [];
  let lists = 0;
  const stopping = new AbortController();
  const cluster = {
    server: 'https://127.0.0.1',
    list: async () => ({ version: `list-${(lists += 1)}`, pods: [podOf(`listed-${lists}`)] }),
    async *watch(_: string, version: string) {
      asked.push(version);
      const changes = watches.shift();
      if (!changes) stopping.abort();
      for (const change of changes ?? []) {
        if (change instanceof Error) throw change;
        yield change;
      }
    },
  };
  await followPods({
    cluster,
    labelSelector: 'x=y',
    onList: (pods) => seen.push(...pods.map(({ name }) => name)),
    onChange: ({ pod: { name } }) => seen.push(name),
    logger: pino({ level: 'silent' }),
    signal: stopping.signal,
  });
  await vi.waitUntil(() => stopping.signal.aborted);
  return { asked, seen };
}

test('a watch that ends or is cut off goes on at the version that it had reached, also that of a bookmark', async () => {
  const { asked, seen } = await follow([
    [changed('5', 'one'), changed('9')],
    [changed('12', 'two'), new Error('socket hang up')],
    [new Error('connect ECONNREFUSED')],
  ]);
  expect(asked).toEqual(['list-1', '9', '12', '12']);
  expect(seen).toEqual(['listed-1', 'one', 'two']);
});

test('pods are listed again when the API server has forgotten the version, whichever way it says so', async () => {
  const { asked, seen } = await follow([
    [changed('5', 'one')],
    [new WatchFailed('too old resource version: 5 (90)', 410)],
    [changed('91', 'two')],
    [new WatchFailed('Expired', 410)],
  ]);
  expect(asked).toEqual(['list-1', '5', 'list-2', '91', 'list-3']);
  expect(seen).toEqual(['listed-1', 'one', 'listed-2', 'two', 'listed-3']);
});
