import { beforeAll, expect, test, vi } from 'vitest';
import { useUserBackend } from '../support/backends.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig();
const backend = useUserBackend(rig);
let agentId: string;

beforeAll(async () => {
  agentId = await rig.publishAgent();
});

test('timelines that take long leave the other routes their connections to the database', async () => {
  const [ada, bob] = [await backend.user(), await backend.user()];
  const created = await ada.api('POST', '/v1/instances', { json: { agent_id: agentId } });
  const path = `/v1/instances/${String(created.body['id'])}/timeline`;
  const lock = await rig.connect();
  // Timelines read the log; lists do not.
  await lock.query('begin; lock table event_log in access exclusive mode');
  const refusals: Awaited<ReturnType<typeof ada.api>>[] = [];
  const answers = Array.from({ length: 40 }, async () => {
    const answer = await ada.api('GET', path);
    if (answer.status === 429) refusals.push(answer);
    return answer;
  });
  // All of them have come: the others wait.
  await vi.waitFor(() => expect(refusals).toHaveLength(30));
  const [refused] = refusals;
  expect(refused).toMatchObject({ status: 429, body: { code: 'too_many_at_once' } });
  expect(refused?.headers.get('retry-after')).toBe('1');
  expect((await bob.api('GET', '/v1/instances')).status).toBe(200);
  await lock.query('rollback');
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(10);
  expect(statuses.filter((status) => status === 429)).toHaveLength(30);
});
