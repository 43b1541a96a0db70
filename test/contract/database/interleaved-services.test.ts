import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  bringBackAgent,
  changeAgent,
  publishAgent as publish,
  retireAgent,
} from '../../../backends/admin/agents/agents.ts';
import { createAppender } from '../../../backends/admin/audit/append.ts';
import type { AuditRecord } from '../../../backends/admin/audit/record.ts';
import { changeInstance, createInstance } from '../../../backends/user/instance-store.ts';
import { openEventLog } from '../../support/event-log.ts';
import { openTestPool } from '../../support/test-pool.ts';

/** A service writes while a transaction of another service holds the rows. */

let log: Awaited<ReturnType<typeof openEventLog>>;
let first: pg.Client;
let pool: pg.Pool;
beforeAll(async () => {
  log = await openEventLog();
});
afterAll(() => log.close());
beforeEach(async () => {
  first = new pg.Client(log.databaseUrl);
  await first.connect();
  pool = openTestPool({ connectionString: log.databaseUrl, application_name: 'second' });
});
afterEach(() => Promise.all([first.end(), pool.end()]));

/** Begins the work and resolves once one of its statements waits for the first transaction; `result` never rejects. */
async function untilItWaits(work: () => Promise<unknown>): Promise<{ result: Promise<unknown> }> {
  const result = work().catch((error: unknown) => error);
  await vi.waitFor(async () => {
    const { rows } = await log.query(
      `select from pg_stat_activity
       where application_name = 'second' and datname = current_database() and wait_event_type = 'Lock'`,
    );
    expect(rows).toHaveLength(1);
  });
  return { result };
}

const publishAgent = async (retiredAt: string | null = null): Promise<string> => {
  const { rows } = await log.query<{ id: string }>(
    `insert into agents (name, version, runtime, retired_at) values ('a', '1', '{}', $1) returning id`,
    [retiredAt],
  );
  return String(rows[0]?.id);
};
const insertInstance = async (agentId: string, userId: string): Promise<string> => {
  const { rows } = await log.query<{ id: string }>(
    'insert into instances (agent_id, user_id) values ($1, $2) returning id',
    [agentId, userId],
  );
  return String(rows[0]?.id);
};
const user = () => ({ userId: randomUUID(), isAdmin: false, expiresAt: new Date(8.64e15) });
const writing = (identity: ReturnType<typeof user>) => ({ identity, bodyText: '{}', traceparent: undefined });

describe('an agent that two retire', () => {
  test('keeps the time of the first, and is drained where the second says so', async () => {
    const id = await publishAgent();
    await first.query('begin');
    await first.query(`update agents set retired_at = '2026-01-01Z' where id = $1`, [id]);
    const { result } = await untilItWaits(() => retireAgent(pool, id, true));
    await first.query('commit');
    expect(await result).toMatchObject({ retired_at: '2026-01-01T00:00:00.000Z', drain: true });
  });

  test('is retired after all where the other one brings it back first', async () => {
    const id = await publishAgent('2026-01-01Z');
    await first.query('begin');
    await first.query('update agents set retired_at = null where id = $1', [id]);
    const { result } = await untilItWaits(() => retireAgent(pool, id, false));
    await first.query('commit');
    const { retired_at: retiredAt } = (await result) as { retired_at: string };
    expect(Date.parse(retiredAt)).toBeGreaterThan(Date.parse('2026-01-02'));
    expect(await bringBackAgent(pool, id)).toMatchObject({ retired_at: null });
  });
});

describe('an agent that one retires', () => {
  const retire = (id: string) =>
    first.query(`update agents set retired_at = '2026-01-01Z', drain = true where id = $1`, [id]);
  const retired = { retired_at: '2026-01-01T00:00:00.000Z', drain: true };

  test('is not there any more where the other one deletes it first', async () => {
    const id = await publishAgent();
    await first.query('begin');
    await first.query('delete from agents where id = $1', [id]);
    const { result } = await untilItWaits(() => retireAgent(pool, id, true));
    await first.query('commit');
    expect(await result).toMatchObject({ status: 404 });
  });

  test('keeps its retirement where the other one changes it, and the change', async () => {
    const id = await publishAgent();
    await first.query('begin');
    await retire(id);
    const { result } = await untilItWaits(() => changeAgent(pool, id, { version: '2' }));
    await first.query('commit');
    expect(await result).toMatchObject({ version: '2', ...retired });
    expect(await bringBackAgent(pool, id)).toMatchObject({ version: '2', drain: false });
  });

  test('is brought back where the other one does so after it', async () => {
    const id = await publishAgent();
    await first.query('begin');
    await retire(id);
    const { result } = await untilItWaits(() => bringBackAgent(pool, id));
    await first.query('commit');
    expect(await result).toMatchObject({ retired_at: null, drain: false });
  });

  test('cannot be published a second time meanwhile, but once it is deleted', async () => {
    const id = await publishAgent();
    const again = () => publish(pool, { id, name: 'a', version: '2', capabilities: [], runtime: {} });
    await first.query('begin');
    await retire(id);
    const refused = await untilItWaits(again);
    await first.query('commit');
    expect(await refused.result).toMatchObject({ status: 409, code: 'agent_exists' });
    await first.query('begin');
    await first.query('delete from agents where id = $1', [id]);
    const { result } = await untilItWaits(again);
    await first.query('commit');
    expect(await result).toMatchObject({ version: '2', retired_at: null });
    const { rows } = await log.query(
      `select notification ->> 'event_type' as type from event_log where entity_id = $1 order by sequence`,
      [id],
    );
    expect(rows.map(({ type }) => type)).toEqual(['insert', 'update', 'delete', 'insert']);
  });

  // The order matters: agents_worker reads the agent before it starts an instance of it.
  test('makes nobody wait who begins to use it, and waits for nobody who does', async () => {
    const id = await publishAgent();
    const identity = user();
    const create = () =>
      createInstance(pool, { ...writing(identity), agentId: id, desiredState: 'running', idempotencyKey: undefined });
    await first.query('begin');
    await retire(id);
    expect((await create()).answer).toMatchObject({ agent_id: id });
    await first.query('commit');
    await expect(create()).rejects.toMatchObject({ status: 422, code: 'agent_retired' });

    const other = await publishAgent();
    await first.query('begin');
    await first.query('insert into instances (agent_id, user_id) values ($1, $1)', [other]);
    expect(await retireAgent(pool, other, true)).toMatchObject({ drain: true });
    await first.query('commit');
  });
});

describe('a change of an instance', () => {
  test('takes no retired agent because it was the one of the instance a moment ago', async () => {
    const [retired, other] = [await publishAgent('2026-01-01Z'), await publishAgent()];
    const identity = user();
    const id = await insertInstance(retired, identity.userId);
    await first.query('begin');
    await first.query('update instances set agent_id = $2 where id = $1', [id, other]);
    const { result } = await untilItWaits(() => changeInstance(pool, writing(identity), id, { agentId: retired }));
    await first.query('commit');
    expect(await result).toMatchObject({ status: 422, code: 'agent_retired' });
    expect((await log.query('select agent_id from instances where id = $1', [id])).rows).toEqual([{ agent_id: other }]);
  });

  test('does not reach the instance of another user who got its id meanwhile', async () => {
    const agentId = await publishAgent();
    const [identity, other] = [user(), user()];
    const id = await insertInstance(agentId, identity.userId);
    for (const change of [{ agentId }, { desiredState: 'stopped' as const }]) {
      await log.query('update instances set user_id = $2 where id = $1', [id, identity.userId]);
      await first.query('begin');
      await first.query('update instances set user_id = $2 where id = $1', [id, other.userId]);
      const { result } = await untilItWaits(() => changeInstance(pool, writing(identity), id, change));
      await first.query('commit');
      expect(await result).toMatchObject({ status: 404 });
    }
    expect((await log.query('select desired_state from instances where id = $1', [id])).rows).toEqual([
      { desired_state: 'running' },
    ]);
  });
});

describe('an idempotency key', () => {
  const create = (identity: ReturnType<typeof user>, agentId: string, idempotencyKey: string) =>
    createInstance(pool, { ...writing(identity), agentId, desiredState: 'running', idempotencyKey });
  const oldKey = (userId: string) =>
    log.query(
      `insert into idempotency_keys (user_id, key, request_hash, created_at, response)
       values ($1, 'old', sha256(''), now() - interval '2 days', '{}')`,
      [userId],
    );

  test('that is used at the same time creates once: the second waits and gets the answer of the first', async () => {
    const agentId = await publishAgent();
    const identity = user();
    await first.query('begin');
    await first.query(
      `insert into idempotency_keys (user_id, key, request_hash)
       values ($1, 'k', sha256(convert_to(('{}'::jsonb)::text, 'UTF8')))`,
      [identity.userId],
    );
    const { result } = await untilItWaits(() => create(identity, agentId, 'k'));
    await first.query('rollback');
    const made = (await result) as { answer: { id: string }; isReplay: boolean };
    expect(made.isReplay).toBe(false);

    await first.query('begin');
    await first.query('update idempotency_keys set key = key where user_id = $1', [identity.userId]);
    const again = await untilItWaits(() => create(identity, agentId, 'k'));
    await first.query('commit');
    expect(await again.result).toEqual({ answer: made.answer, isReplay: true });
  });

  test('waits for nobody who removes an old one, and makes nobody wait', async () => {
    const agentId = await publishAgent();
    const [identity, other] = [user(), user()];
    await oldKey(other.userId);
    await first.query('begin');
    await first.query('delete from idempotency_keys where user_id = $1', [other.userId]);
    expect(await create(identity, agentId, 'k')).toMatchObject({ isReplay: false });
    await first.query('rollback');
    expect(await create(identity, agentId, 'k2')).toMatchObject({ isReplay: false });
    expect((await log.query('select from idempotency_keys where user_id = $1', [other.userId])).rows).toEqual([]);
  });
});

describe('an entry of the audit log', () => {
  const record = (): AuditRecord =>
    ({
      event_id: randomUUID(),
      type: 'agent.published',
      occurred_at: '2026-03-04T05:06:07.123Z',
      sequence: 1,
      agent_id: randomUUID(),
      correlation_id: randomUUID(),
      schema_version: 1,
      body: '{}',
    }) as unknown as AuditRecord;
  const appendFirst = () => first.query('select from append_audit_entries($1)', [JSON.stringify([record()])]);
  const positionOf = async ({ event_id: id }: AuditRecord) => {
    const { rows } = await log.query<{ position: string }>('select position from audit_log where event_id = $1', [id]);
    return Number(rows[0]?.position);
  };
  const head = async () => {
    const { rows } = await log.query<{ head: string | null }>('select max(position) as head from audit_log');
    return Number(rows[0]?.head ?? 0);
  };

  test('waits for the one before it, and follows it', async () => {
    const before = await head();
    const own = record();
    await first.query('begin');
    await appendFirst();
    const { result } = await untilItWaits(() =>
      pool.query('select from append_audit_entries($1)', [JSON.stringify([own])]),
    );
    await first.query('commit');
    expect(await result).toMatchObject({ rowCount: 1 });
    expect(await positionOf(own)).toBe(before + 2);
  });

  test.each(['repeatable read', 'serializable'])('is written after all where transactions are %s', async (level) => {
    const before = await head();
    const own = record();
    const strict = openTestPool({
      connectionString: log.databaseUrl,
      application_name: 'second',
      options: `-c default_transaction_isolation=${level.replace(' ', '\\ ')}`,
    });
    try {
      const append = createAppender({ pool: strict, logger: pino({ level: 'silent' }) });
      await first.query('begin');
      await appendFirst();
      const { result } = await untilItWaits(() => append(own, new AbortController().signal));
      await first.query('commit');
      expect(await result).toBeUndefined();
      expect(await positionOf(own)).toBe(before + 2);
    } finally {
      await strict.end();
    }
  });

  test.each(['repeatable read', 'serializable'])(
    'asks a transaction to repeat whose snapshot is older than the chain (%s)',
    async (level) => {
      const before = await head();
      for (const late of ['append_audit_entries($1)', `record_audit_removal(1, $1)`]) {
        const strict = await pool.connect();
        try {
          await strict.query(`begin isolation level ${level}`);
          await strict.query('select from audit_log');
          await log.query('select from append_audit_entries($1)', [JSON.stringify([record()])]);
          const work = strict.query(`select from ${late}`, [JSON.stringify([record()])]);
          await expect(work).rejects.toMatchObject({ code: '40001' });
        } finally {
          await strict.query('rollback');
          strict.release();
        }
      }
      expect(await head()).toBe(before + 2);
    },
  );

  test.each(['40P01', '55P03', '57014', '53100', '53200', '53300', '57P01', '57P02', '57P03', '40001', '23505'])(
    'is tried again after %s, which is not its fault',
    async (code) => {
      const own = record();
      await log.query(
        `create or replace function fail_once() returns trigger language plpgsql as $$
         begin
           if nextval('attempts') = 1 then raise exception 'as told' using errcode = '${code}'; end if;
           return new;
         end $$`,
      );
      await log.query('drop sequence if exists attempts; create sequence attempts');
      await log.query('create trigger fail_once before insert on audit_log for each row execute function fail_once()');
      try {
        const append = createAppender({ pool, logger: pino({ level: 'silent' }) });
        await append(own, new AbortController().signal);
        expect(await positionOf(own)).toBe(await head());
      } finally {
        await log.query('drop trigger fail_once on audit_log; drop function fail_once; drop sequence attempts');
      }
    },
  );
});
