import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openEventLog } from '../../support/event-log.ts';

/** What the triggers and functions keep of the versions of agents, and of the versions that instances run. */

let log: Awaited<ReturnType<typeof openEventLog>>;
beforeAll(async () => {
  log = await openEventLog();
});
afterAll(() => log.close());

const publish = async (id: string = randomUUID(), version = '1', runtime = '{"a": 1}'): Promise<string> => {
  await log.query(
    `insert into agents (id, name, version, runtime) values ($1, 'echo', $2, $3)
     on conflict (id) do update set version = excluded.version, runtime = excluded.runtime`,
    [id, version, runtime],
  );
  return id;
};
/** An agent with the versions 1 to 3, whose stable one is 1 and whose newest one is 3. */
const publishThree = async (): Promise<string> => {
  const id = await publish();
  await publish(id, '2', '{"a": 2}');
  return publish(id, '3', '{"a": 3}');
};
const setStable = (id: string, version: string | null) =>
  log.query('update agents set stable_version = $2 where id = $1', [id, version]);
const withdraw = (id: string, version: string) =>
  log.query(
    `update agent_versions set withdrawn_at = clock_timestamp(), withdrawn_reason = 'It crashes.' where agent_id = $1 and version = $2`,
    [id, version],
  );
const insertInstance = async (agentId: string, version: string | null = null): Promise<string> => {
  const id = randomUUID();
  await log.query('insert into instances (id, agent_id, user_id, agent_version) values ($1, $2, $1, $3)', [
    id,
    agentId,
    version,
  ]);
  return id;
};
const update = (id: string, assignment: string, ...values: unknown[]) =>
  log.query(`update instances set ${assignment} where id = $1`, [id, ...values]);
const record = (id: string, status: string, generation: number) =>
  log.query('select record_instance_status($1, $2, $3, null, null)', [id, status, generation]);
const pin = async (id: string): Promise<unknown> => {
  const { rows } = await log.query<{ pinned: unknown }>('select pin_version($1) as pinned', [id]);
  return rows[0]?.pinned;
};

const readAgent = async (id: string) => {
  const { rows } = await log.query(
    'select version, stable_version as stable, sequence::int from agents where id = $1',
    [id],
  );
  return rows[0] as object | undefined;
};
const versionsOf = async (id: string) => {
  const { rows } = await log.query<{ version: string; runtime: unknown }>(
    'select version, runtime from agent_versions where agent_id = $1 order by published_at',
    [id],
  );
  return rows.map(({ version, runtime }) => [version, runtime]);
};
interface Row {
  version: string | null;
  running: string | null;
  policy: string;
  generation: number;
  sequence: number;
  status_changed_at: Date;
  updated_at: Date;
}
const readInstance = async (id: string): Promise<Row | undefined> => {
  const { rows } = await log.query<Row>(
    `select agent_version as version, running_version as running, version_policy as policy, generation::int, sequence::int,
       status_changed_at, updated_at
     from instances where id = $1`,
    [id],
  );
  return rows[0];
};
const entriesOf = async (id: string): Promise<number> => {
  const { rowCount } = await log.query('select from event_log where entity_id = $1', [id]);
  return rowCount ?? 0;
};

describe('the versions of an agent', () => {
  test('begin with its first publication, which is the stable one, and each further one is added', async () => {
    const id = await publishThree();
    expect(await versionsOf(id)).toEqual([
      ['1', { a: 1 }],
      ['2', { a: 2 }],
      ['3', { a: 3 }],
    ]);
    expect(await readAgent(id)).toEqual({ version: '3', stable: '1', sequence: 3 });
  });

  test('include an earlier one that is published again as it was', async () => {
    const id = await publishThree();
    await publish(id, '2', '{"a": 2.0}');
    expect(await readAgent(id)).toMatchObject({ version: '2', stable: '1' });
    expect(await versionsOf(id)).toHaveLength(3);
  });

  test.each([
    ['the newest one with another runtime', `runtime = '{"a": 4}'`],
    ['the newest one with other capabilities', `capabilities = '["chat"]'`],
    ['an earlier one with another runtime', `version = '2'`],
    ['an earlier one with other capabilities', `version = '2', runtime = '{"a": 2}', capabilities = '["chat"]'`],
  ])('are never published with other content: %s', async (_, assignment) => {
    const id = await publishThree();
    await expect(log.query(`update agents set ${assignment} where id = $1`, [id])).rejects.toMatchObject({
      code: '23514',
      constraint: 'agent_versions_are_immutable',
      message: expect.stringMatching(
        /^The version [23] of the agent was published before with another runtime or other capabilities$/,
      ),
      hint: 'Publish it under another version.',
    });
    expect([await versionsOf(id), await readAgent(id)]).toMatchObject([{ length: 3 }, { version: '3', sequence: 3 }]);
  });

  test('make no entry of the log of their own, and none for a publication that is rolled back', async () => {
    const id = await publish();
    await log.query('begin');
    await publish(id, '2', '{"a": 2}');
    await log.query('rollback');
    await publish(id, '2', '{"b": 2}');
    expect(await versionsOf(id)).toEqual([
      ['1', { a: 1 }],
      ['2', { b: 2 }],
    ]);
    expect(await entriesOf(id)).toBe(2);
  });

  test('are no business of a change of the name, a retirement, or the strategy of rollouts', async () => {
    const id = await publish();
    await log.query(`update agents set name = 'b', retired_at = now(), rollout = '{"canary": {}}' where id = $1`, [id]);
    expect(await versionsOf(id)).toHaveLength(1);
    await expect(log.query(`update agents set rollout = '[]' where id = $1`, [id])).rejects.toMatchObject({
      code: '23514',
    });
    for (const rollout of [{ pad: 'x'.repeat(65_536) }, { pad: '1e9999' }]) {
      const json = JSON.stringify(rollout).replace('"1e9999"', `[${Array<string>(8).fill('1e9999').join()}]`);
      await expect(log.query('update agents set rollout = $2 where id = $1', [id, json])).rejects.toMatchObject({
        constraint: 'agents_rollout_at_most_64_kib',
      });
    }
  });

  test('have names of at most 1,024 bytes', async () => {
    await publish(randomUUID(), 'ä'.repeat(512));
    await expect(publish(randomUUID(), `${'ä'.repeat(512)}!`)).rejects.toMatchObject({
      constraint: 'agents_version_at_most_1_kib',
    });
  });

  test.each([
    [`update agent_versions set runtime = '{}' where agent_id = $1`],
    [`update agent_versions set capabilities = '["a"]' where agent_id = $1`],
    [`update agent_versions set version = '9' where agent_id = $1 and version = '3'`],
    [`update agent_versions set published_at = now() where agent_id = $1`],
    [`delete from agent_versions where agent_id = $1`],
    ['truncate agent_versions cascade'],
  ])('cannot be changed or deleted: %s', async (statement) => {
    const id = await publishThree();
    const before = await versionsOf(id);
    await expect(log.query(statement, statement.includes('$1') ? [id] : [])).rejects.toThrow(/version/);
    expect(await versionsOf(id)).toEqual(before);
  });

  test('go with their agent, and a new agent of the same id begins anew', async () => {
    const id = await publishThree();
    await log.query('delete from agents where id = $1', [id]);
    expect(await versionsOf(id)).toEqual([]);
    await publish(id, '2', '{"other": true}');
    expect(await versionsOf(id)).toEqual([['2', { other: true }]]);
    expect(await readAgent(id)).toMatchObject({ version: '2', stable: '2' });
  });

  test('go with their agent where it is deleted and published again in one statement', async () => {
    const id = await publishThree();
    await log.query(
      `with gone as (delete from agents where id = $1 returning id)
       insert into agents (id, name, version, runtime) select id, 'a', '2', '{"other": true}' from gone`,
      [id],
    );
    expect(await versionsOf(id)).toEqual([['2', { other: true }]]);
  });
});

describe('a version that is withdrawn', () => {
  test('is not published again, also as the newest one after another', async () => {
    const id = await publishThree();
    await withdraw(id, '2');
    await withdraw(id, '3');
    await expect(publish(id, '2', '{"a": 2}')).rejects.toMatchObject({
      constraint: 'agent_version_is_withdrawn',
      hint: 'Publish another version.',
    });
    await publish(id, '4');
    await expect(publish(id, '3', '{"a": 3}')).rejects.toMatchObject({ constraint: 'agent_version_is_withdrawn' });
    expect(await readAgent(id)).toMatchObject({ version: '4', stable: '1' });
  });

  test('leaves everything else of its agent as it is, also where it is the newest one', async () => {
    const id = await publishThree();
    await withdraw(id, '3');
    await log.query(`update agents set name = 'b', retired_at = now() where id = $1`, [id]);
    await publish(id, '3', '{"a": 3}');
    expect(await readAgent(id)).toMatchObject({ version: '3', stable: '1' });
    expect(await readInstance(await insertInstance(id))).toMatchObject({ version: '1' });
  });

  test('stays withdrawn, for its first reason', async () => {
    const id = await publishThree();
    await withdraw(id, '3');
    for (const again of ['withdrawn_at = null, withdrawn_reason = null', `withdrawn_reason = 'b'`]) {
      await expect(
        log.query(`update agent_versions set ${again} where agent_id = $1 and version = '3'`, [id]),
      ).rejects.toMatchObject({ constraint: 'agent_version_is_withdrawn' });
    }
  });

  test('is not the stable one, neither before nor after', async () => {
    const id = await publishThree();
    await expect(withdraw(id, '1')).rejects.toMatchObject({ constraint: 'agent_version_is_stable' });
    await withdraw(id, '3');
    await expect(setStable(id, '3')).rejects.toMatchObject({ constraint: 'agents_stable_version_is_not_withdrawn' });
    for (const absent of ['4', null]) {
      await expect(setStable(id, absent)).rejects.toMatchObject({ constraint: 'agents_stable_version_exists' });
    }
    await setStable(id, '2');
    await withdraw(id, '1');
    expect(await readAgent(id)).toMatchObject({ version: '3', stable: '2' });
  });

  test('is kept by an instance that has it, and given to no other', async () => {
    const id = await publishThree();
    const [has, other] = [await insertInstance(id, '2'), await insertInstance(id)];
    await withdraw(id, '2');
    await update(has, `config = '{"a": 1}', version_policy = 'hold'`);
    expect(await readInstance(has)).toMatchObject({ version: '2' });
    for (const work of [
      () => insertInstance(id, '2'),
      () => update(other, `agent_version = '2'`),
      () => update(other, `agent_version = '2', config = '{}'`),
    ]) {
      await expect(work()).rejects.toMatchObject({ constraint: 'instances_agent_version_is_not_withdrawn' });
    }
  });
});

describe('the version that an instance is to run', () => {
  test('is the stable one of its agent, or the one that was asked for', async () => {
    const id = await publishThree();
    expect(await readInstance(await insertInstance(id))).toMatchObject({ version: '1', policy: 'follow' });
    await setStable(id, '2');
    expect(await readInstance(await insertInstance(id))).toMatchObject({ version: '2', running: null });
    expect(await readInstance(await insertInstance(id, '3'))).toMatchObject({ version: '3', generation: 1 });
    await expect(insertInstance(id, '4')).rejects.toMatchObject({
      code: '23514',
      constraint: 'instances_agent_version_exists',
      message: `There is no version 4 of the agent ${id}`,
    });
  });

  test('is the stable one of the new agent where the agent changes, also if both have a version of that name', async () => {
    const [one, other] = [await publishThree(), await publishThree()];
    await setStable(other, '3');
    const [plain, chosen, unpublished] = [
      await insertInstance(one, '2'),
      await insertInstance(one, '2'),
      await insertInstance(one, '2'),
    ];
    await update(plain, 'agent_id = $2', other);
    await update(chosen, `agent_id = $2, agent_version = '1'`, other);
    await update(unpublished, 'agent_id = $2', randomUUID());
    expect(await readInstance(plain)).toMatchObject({ version: '3', generation: 2 });
    expect(await readInstance(chosen)).toMatchObject({ version: '1', generation: 2 });
    expect(await readInstance(unpublished)).toMatchObject({ version: null, generation: 2 });
    await expect(update(plain, `agent_id = gen_random_uuid(), agent_version = '1'`)).rejects.toMatchObject({
      constraint: 'instances_agent_version_exists',
    });
  });

  test('is a new wish where it changes, and its policy is none', async () => {
    const agentId = await publishThree();
    const id = await insertInstance(agentId);
    await update(id, `agent_version = '2'`);
    expect(await readInstance(id)).toMatchObject({ version: '2', generation: 2, sequence: 2 });
    await update(id, `agent_version = '2'`);
    expect(await readInstance(id)).toMatchObject({ generation: 2, sequence: 2 });
    await update(id, `version_policy = 'hold'`);
    expect(await readInstance(id)).toMatchObject({ policy: 'hold', generation: 2, sequence: 3 });
    await update(id, 'agent_version = null');
    expect(await readInstance(id)).toMatchObject({ version: '1', generation: 3, sequence: 4 });
    await setStable(agentId, '2');
    expect(await readInstance(id)).toMatchObject({ version: '1', generation: 3, sequence: 4 });
    expect(await entriesOf(id)).toBe(4);
    await expect(update(id, `version_policy = 'sometimes'`)).rejects.toMatchObject({ code: '23514' });
  });

  test('is in the events of the row', async () => {
    await log.expectDocumented();
    const agentId = await publishThree();
    const id = await insertInstance(agentId);
    await record(id, 'running', 1);
    await update(id, `agent_version = '2', version_policy = 'hold'`);
    await record(id, 'failed', 2);
    await log.query('delete from instances where id = $1', [id]);
    await log.query('select record_final_status($1, null)', [id]);
    const events = await log.expectDocumented();
    const bodies = events.map(({ metadata: { type }, body }) => {
      const { agent_version: desired, running_version: running, version_policy: policy, stable_version: stable } =
        body as Record<string, unknown>; // prettier-ignore
      return [type, ...(type.startsWith('agent') ? [stable] : [desired, running, policy])];
    });
    expect(bodies).toEqual([
      ...Array.from({ length: 3 }, () => ['agent.published', '1']),
      ['instance.created', '1', undefined, undefined],
      ['instance.updated', '1', '1', 'follow'],
      ['instance.updated', '2', '1', 'hold'],
      ['instance.updated', '2', null, 'hold'],
      ['instance.deleted', undefined, undefined, undefined],
      ['instance.updated', '2', null, 'hold'],
    ]);
  });
});

describe('an instance that waits for its agent', () => {
  test('has no version, and is given the stable one without an event once it is pinned', async () => {
    const agentId = randomUUID();
    const id = await insertInstance(agentId);
    expect([await readInstance(id), await pin(id)]).toMatchObject([{ version: null }, null]);
    await publish(agentId);
    await publish(agentId, '2');
    const before = await readInstance(id);
    expect(await pin(id)).toBe('1');
    expect(await readInstance(id)).toEqual({ ...before, version: '1' });
    await setStable(agentId, '2');
    expect(await pin(id)).toBe('1');
    expect(await entriesOf(id)).toBe(1);
  });

  test('is given another version by its user as any other: with an event', async () => {
    const agentId = randomUUID();
    const [id, alsoConfigured] = [await insertInstance(agentId), await insertInstance(agentId)];
    await publish(agentId);
    await publish(agentId, '2');
    await update(id, `agent_version = '2'`);
    await update(alsoConfigured, `agent_version = '1', config = '{"a": 1}'`);
    expect([await readInstance(id), await readInstance(alsoConfigured)]).toMatchObject([
      { version: '2', generation: 2, sequence: 2 },
      { version: '1', generation: 2, sequence: 2 },
    ]);
    expect([await pin(id), await pin(alsoConfigured), await pin(randomUUID())]).toEqual(['2', '1', null]);
  });

  test('is pinned anew where its version went with its agent', async () => {
    const agentId = await publishThree();
    const id = await insertInstance(agentId, '2');
    await log.query('delete from agents where id = $1', [agentId]);
    expect([await pin(id), await readInstance(id)]).toMatchObject([null, { version: '2' }]);
    await publish(agentId, '7', '{}');
    expect(await pin(id)).toBe('7');
    expect(await readInstance(id)).toMatchObject({ version: '7', generation: 1, sequence: 1 });
    expect(await entriesOf(id)).toBe(1);
  });
});

describe('the version that runs', () => {
  test('is recorded with the status, of the generation that the row has', async () => {
    const id = await insertInstance(await publishThree());
    const read = async () => (await readInstance(id))?.running;
    await record(id, 'running', 1);
    expect(await read()).toBe('1');
    await update(id, `agent_version = '2'`);
    await record(id, 'pending', 1);
    await record(id, 'running', 1);
    expect(await read()).toBe('1');
    await record(id, 'pending', 2);
    expect(await read()).toBe('1');
    await record(id, 'running', 2);
    expect(await read()).toBe('2');
    await record(id, 'failed', 2);
    expect(await read()).toBeNull();
    await record(id, 'running', 2);
    await record(id, 'stopped', 2);
    expect(await read()).toBeNull();
  });

  test('has changed its status when the status changed, and not with any other change', async () => {
    const id = await insertInstance(await publishThree());
    const changedAt = async () => {
      const { rows } = await log.query<{ at: string }>(
        'select status_changed_at::text as at from instances where id = $1',
        [id],
      );
      return rows[0]?.at;
    };
    await record(id, 'running', 1);
    const since = await changedAt();
    const { status_changed_at: changed, updated_at: updated } = (await readInstance(id)) ?? {};
    expect(changed).toEqual(updated);
    await update(id, `config = '{"a": 1}', version_policy = 'hold', status_changed_at = now()`);
    await record(id, 'running', 2);
    expect(await changedAt()).toBe(since);
    await record(id, 'pending', 2);
    await record(id, 'running', 2);
    expect(await changedAt()).not.toBe(since);
  });
});
