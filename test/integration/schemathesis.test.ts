import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { HttpServer } from '../../backends/http/server.ts';
import { preparePython } from '../support/python.ts';
import { openRig, type Rig } from '../support/rig.ts';
import { runSchemathesis } from '../support/schemathesis.ts';
import { signToken } from '../support/tokens.ts';
import { createOwnUserServer } from '../support/user-server.ts';

const found = await preparePython('schemathesis.txt');
let rig: Rig;
let app: HttpServer;
let agentId: string;

beforeAll(async () => {
  if ('missing' in found) return;
  rig = await openRig();
  agentId = await rig.publishAgent();
  app = await createOwnUserServer(rig, { pageFolder: tmpdir() });
});
beforeEach(({ skip }) => {
  if ('missing' in found) skip(found.missing);
});
afterAll(async () => {
  await app?.close();
  await rig?.close();
});

test('user_backend answers as its document says, whatever it is sent', async ({ signal }) => {
  if ('missing' in found) return;
  const userId = randomUUID();
  const { rows } = await rig.pool.query<{ id: string }>(
    'insert into instances (agent_id, user_id) select $1, $2 from generate_series(1, 50) returning id',
    [agentId, userId],
  );
  const report = await runSchemathesis({
    ...found,
    signal,
    url: await app.listen({ host: '127.0.0.1', port: 0 }),
    token: await signToken({ userId }),
    known: {
      'path.id': [agentId, ...rows.map(({ id }) => id)],
      'body.agent_id': [agentId],
      'query.user_id': [userId],
    },
  });
  expect(report).toMatchObject({ exitCode: 0, output: expect.stringContaining('No issues found') });
}, 240_000);
