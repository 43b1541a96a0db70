import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test, vi } from 'vitest';
import { useAdminBackend } from '../support/admin-backend.ts';
import { useUserBackend } from '../support/backends.ts';
import { createdMessage } from '../support/events.ts';
import { field, integerField, nestedTables, publishRaw, textField } from '../support/raw-publish.ts';
import { one as only, useRig } from '../support/rig.ts';

const rig = useRig({ services: ['event_broker', 'agents_worker'] });
const users = useUserBackend(rig);
const admin = useAdminBackend(rig);
beforeAll(() => admin.ready());
let agentId: string;

beforeAll(async () => {
  agentId = await rig.publishAgent();
});

type Case = [string, Buffer];

const patience = { timeout: 60_000 };

interface Letter {
  id: string;
  queue: string;
  message_id: string;
  reason: string;
}

const lettersOf = async (messageId: string): Promise<Letter[]> => {
  const { status, body } = await admin.call<{ letters: Letter[] }>('/v1/dead-letters?limit=200');
  expect(status).toBe(200);
  return body.letters.filter((letter) => letter.message_id === messageId);
};
const headersOf = async ({ queue, id }: Letter): Promise<Record<string, unknown>> => {
  const { status, body } = await admin.call<{ headers: Record<string, unknown> }>(`/v1/dead-letters/${queue}/${id}`);
  expect(status).toBe(200);
  return body.headers;
};
/** By the row: such a message ends the test's own connection, whose client is the bare one. */
const untilRunning = (id: string): Promise<void> =>
  vi.waitFor(async () => {
    const { rows } = await rig.pool.query('select status from instances where id = $1', [id]);
    expect(rows).toEqual([{ status: 'running' }]);
  }, patience);
/** Lines of a log that say that what a message holds has ended something. */
const troubles = (): object[] =>
  [rig.log, users.log, admin.log].flatMap((lines) =>
    lines.filter(({ error = '' }) => /type tag|call stack|could not be read/.test(error)),
  );

// RabbitMQ takes it, and the client of JavaScript does not know it.
const unsigned: Case = ['an unsigned integer of 64 bits', field('odd', 'L', Buffer.alloc(8, 1))];
const inArray: Case = [
  'such an integer in an array',
  field('odd', 'A', Buffer.from([0, 0, 0, 9, 76, ...Buffer.alloc(8)])),
];
const deep: Case = ['3,000 tables within each other, which the client can read', nestedTables('odd', 3_000)];
/** RabbitMQ takes seconds for each copy of it. */
const tooDeep: Case = ['11,000 tables within each other', nestedTables('odd', 11_000)];
const note = textField('note', 'this one is readable');

test.each([unsigned, inArray, deep])(
  'a message that is no event, with %s, is dead-lettered once by each consumer and holds up nothing',
  async (_, odd) => {
    const ids = { 'instance.updated': randomUUID(), 'agent.published': randomUUID() };
    const before = [await rig.insertInstance(agentId), await rig.insertInstance(agentId)];
    await publishRaw(
      rig.environment.AMQP_URL,
      Object.entries(ids).map(([routingKey, messageId]) => ({
        exchange: 'events.topic',
        routingKey,
        messageId,
        content: '{}',
        headers: Buffer.concat([note, odd]),
      })),
    );
    for (const id of [...before, await rig.insertInstance(agentId)]) await untilRunning(id);
    for (const [type, queues] of [
      ['instance.updated', ['admin_backend.audit', 'agents_worker.instance', 'user_backend.ws_updates']],
      ['agent.published', ['admin_backend.audit', 'agents_worker.agent', 'user_backend.agent']],
    ] as const) {
      const letters = await vi.waitFor(async () => {
        const found = await lettersOf(ids[type]);
        expect(found.map(({ queue }) => queue).toSorted()).toEqual(queues.map((queue) => `${queue}.dead`));
        return found;
      }, patience);
      for (const letter of letters) {
        expect(letter.reason).toMatch(/^headers: /);
        const headers = await headersOf(letter);
        expect(headers).toMatchObject({ note: 'this one is readable' });
        // RabbitMQ 3.10 writes the headers of quorum queues anew, an integer in a form that the client knows.
        expect([...Object.keys(headers), headers['unreadable_headers']]).toContain('odd');
      }
    }
    expect(troubles()).toEqual([]);
    expect(rig.fatal).toEqual([]);
  },
);

test.each([unsigned, tooDeep])(
  'an event with %s in a further header is handled, as with any header that nobody knows',
  async (_, odd) => {
    const { content, headers } = createdMessage();
    const id = String(headers['cloudEvents:id']);
    const fields = Object.entries(headers).map(([name, value]) =>
      typeof value === 'number' ? integerField(name, value) : textField(name, String(value)),
    );
    await publishRaw(rig.environment.AMQP_URL, [
      {
        exchange: 'events.topic',
        routingKey: 'instance.created',
        messageId: id,
        content,
        headers: Buffer.concat([odd, ...fields]),
      },
    ]);
    await vi.waitFor(async () => {
      const { rows } = await rig.pool.query('select type from audit_log where event_id = $1', [id]);
      expect(rows).toEqual([{ type: 'instance.created' }]);
    }, patience);
    expect(await lettersOf(id)).toEqual([]);
    expect(troubles()).toEqual([]);
  },
);

test.each([unsigned, deep])(
  'a letter that RabbitMQ itself gave up, with %s, is listed, looked at and sent again',
  async (_, odd) => {
    const messageId = randomUUID();
    await publishRaw(rig.environment.AMQP_URL, [
      {
        exchange: 'events.dead_letters',
        routingKey: 'agents_worker.instance',
        messageId,
        content: '{}',
        headers: Buffer.concat([note, odd]),
      },
    ]);
    await vi.waitFor(async () => expect(await lettersOf(messageId)).toHaveLength(1));
    // RabbitMQ writes the headers anew when a message comes back, an integer in another form: the first look may be another.
    const letter = only(await lettersOf(messageId));
    expect(await headersOf(letter)).toMatchObject({ note: 'this one is readable' });
    // It is no event of the log: it is compared with that, and stays.
    const answer = await admin.call(`/v1/dead-letters/${letter.queue}/${letter.id}/send`, { method: 'POST' });
    expect(answer).toMatchObject({ status: 422 });
    expect(troubles()).toEqual([]);
  },
);
