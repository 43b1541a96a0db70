import { expect, test, vi } from 'vitest';
import { sendNewest } from '../../bridge/signals/send-newest.ts';

interface Item {
  key: string;
  rank: number;
}

/** Sends that end when they are told to. */
function open({ pauseMs = 0 } = {}) {
  const begun: Item[] = [];
  const endings: { resolve: () => void; reject: (error: unknown) => void }[] = [];
  const tell = sendNewest<Item>({
    keyOf: ({ key }) => key,
    rankOf: ({ rank }) => rank,
    pauseMs,
    send: async (item) =>
      new Promise((resolve, reject) => {
        begun.push(item);
        endings.push({ resolve, reject });
      }),
  });
  const until = (count: number) => vi.waitFor(() => expect(begun).toHaveLength(count), { interval: 1 });
  return { tell, begun, endings, until };
}

test('of what comes while one is being sent only the newest is sent, and all are done with it', async () => {
  const { tell, begun, endings, until } = open();
  const first = tell({ key: 'a', rank: 1 });
  const others = [4, 2, 3].map((rank) => tell({ key: 'a', rank }));
  endings[0]?.resolve();
  await first;
  await until(2);
  endings[1]?.resolve();
  await Promise.all(others);
  expect(begun.map(({ rank }) => rank)).toEqual([1, 4]);
});

test('other keys do not wait', async () => {
  const { tell, begun, until } = open();
  void tell({ key: 'a', rank: 1 });
  void tell({ key: 'b', rank: 1 });
  await until(2);
  expect(begun.map(({ key }) => key)).toEqual(['a', 'b']);
});

test('one that cannot be sent rejects alone', async () => {
  const { tell, endings, until } = open();
  const first = tell({ key: 'a', rank: 1 });
  const [older, newest] = [tell({ key: 'a', rank: 2 }), tell({ key: 'a', rank: 3 })];
  const refused = Promise.allSettled([newest]);
  endings[0]?.resolve();
  await first;
  await until(2);
  endings[1]?.reject(new Error('refused'));
  expect(await refused).toMatchObject([{ reason: { message: 'refused' } }]);
  await until(3);
  endings[2]?.resolve();
  await older;
});

test('there is a pause between two of one key, and none before the first', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  try {
    const { tell, begun, endings } = open({ pauseMs: 100 });
    const first = tell({ key: 'a', rank: 1 });
    expect(begun).toHaveLength(1);
    endings[0]?.resolve();
    await first;
    void tell({ key: 'a', rank: 2 });
    await vi.advanceTimersByTimeAsync(99);
    expect(begun).toHaveLength(1);
  } finally {
    vi.useRealTimers();
  }
});
