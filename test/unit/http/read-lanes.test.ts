import { randomUUID } from 'node:crypto';
import { onTestFinished, expect, test, vi } from 'vitest';
import { createReadLanes } from '../../../backends/http/read-lanes.ts';
import { createTestServer } from '../../support/http-server.ts';
import { signToken } from '../../support/tokens.ts';

/** A server with one expensive read, which ends when the test says so. */
async function openReads(options: Parameters<typeof createReadLanes>[0]) {
  const app = await createTestServer();
  const inLane = createReadLanes(options);
  const under: { userId: string; end: () => void }[] = [];
  app.get('/expensive', (request) =>
    inLane(request, () => {
      const userId = request.identity?.userId ?? '';
      return new Promise((resolve) => under.push({ userId, end: () => resolve({ ok: true }) }));
    }),
  );
  onTestFinished(() => under.forEach(({ end }) => end()));
  const user = async () => {
    const userId = randomUUID();
    const headers = { authorization: `Bearer ${await signToken({ userId })}` };
    return { userId, read: async () => app.inject({ url: '/expensive', headers }) };
  };
  /** Ends reads in their order until there are no more. */
  const endAll = async (answers: Promise<unknown>[]) => {
    const timer = setInterval(() => under.splice(0).forEach(({ end }) => end()), 1);
    await Promise.all(answers).finally(() => clearInterval(timer));
  };
  return { user, endAll, under };
}

test('one user has so many reads at a time, further ones wait, and more than that are refused', async () => {
  const { user, endAll, under } = await openReads({ perUser: 2, overall: 8, waitingPerUser: 3 });
  const ada = await user();
  const answers = Array.from({ length: 7 }, () => ada.read());
  const refused: Awaited<(typeof answers)[number]>[] = [];
  for (const answer of answers) void answer.then((response) => refused.push(response));
  // All seven must have come before a read ends, or the last one finds a place.
  await vi.waitFor(() => expect(refused).toHaveLength(2));
  for (const response of refused.slice()) {
    expect(response.json()).toMatchObject({ status: 429, code: 'too_many_at_once' });
    expect(response.headers['retry-after']).toBe('1');
  }
  expect(under).toHaveLength(2);
  await endAll(answers);
  const statuses = (await Promise.all(answers)).map(({ statusCode }) => statusCode);
  expect(statuses.filter((status) => status === 200)).toHaveLength(5);
  expect(statuses.filter((status) => status === 429)).toHaveLength(2);
  const again = ada.read();
  await endAll([again]);
  expect((await again).statusCode).toBe(200);
});

test('a user is served while another one waits', async () => {
  const { user, endAll, under } = await openReads({ perUser: 1, overall: 2 });
  const [ada, bob] = [await user(), await user()];
  const many = Array.from({ length: 9 }, () => ada.read());
  await vi.waitFor(() => expect(under).toHaveLength(1));
  const one = bob.read();
  await vi.waitFor(() => expect(under.map(({ userId }) => userId)).toEqual([ada.userId, bob.userId]));
  await endAll([...many, one]);
});

test('when too many wait, everybody is told when to come back', async () => {
  const { user, endAll } = await openReads({ perUser: 1, overall: 1, waiting: 2 });
  const users = await Promise.all(Array.from({ length: 4 }, user));
  const answers = users.map(({ read }) => read());
  const refused = await Promise.race(answers);
  expect(refused.json()).toMatchObject({ status: 503, code: 'too_many_at_once' });
  expect(refused.headers['retry-after']).toBe('5');
  await endAll(answers);
});
