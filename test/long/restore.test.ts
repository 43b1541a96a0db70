import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { instanceStateQuery } from '../../workflows/instance-state-query.ts';
import { backUp, restore } from '../support/restored-tables.ts';
import { one, useRig } from '../support/rig.ts';

/** Rows that are no longer what the workflows know of them, and events that no row caused. */
const rig = useRig({ settings: { SWEEP_INTERVAL_SECONDS: '1' }, services: ['event_broker', 'agents_worker'] });
let agentId: string;

beforeAll(async () => {
  agentId = await rig.publishAgent({ command: ['sh', '-c', 'exec sleep 100000'] });
});

const statusOf = async (id: string) => {
  const { rows } = await rig.pool.query<{ status: string; observed: boolean }>(
    'select status, observed_generation = generation as observed from instances where id = $1',
    [id],
  );
  return rows[0] && `${rows[0].status}${rows[0].observed ? '' : ' (unobserved)'}`;
};
const until = (id: string, status: string | undefined, processes: number) =>
  vi.waitFor(async () => expect([await statusOf(id), (await rig.processes(id)).length]).toEqual([status, processes]), {
    timeout: 60_000,
    interval: 200,
  });
const run = async (config: object = {}): Promise<string> => {
  const id = await rig.insertInstance(agentId, config);
  await until(id, 'running', 1);
  return id;
};
const want = (id: string, desiredState: string) =>
  rig.pool.query('update instances set desired_state = $2 where id = $1', [id, desiredState]);
const configure = (id: string, config: object) =>
  rig.pool.query('update instances set config = $2 where id = $1', [id, config]);
const historyLength = async (id: string) => (await rig.workflow(id).describe()).historyLength;

describe('a backup that is restored', () => {
  test('is what every instance goes on from, and later changes take effect', async () => {
    const [changed, stopped, deleted] = [await run({ v: 1 }), await run(), await run()];
    const started = await run();
    await want(started, 'stopped');
    await until(started, 'stopped', 0);
    await backUp(rig);

    for (const version of [2, 3, 4]) await configure(changed, { v: version });
    await want(stopped, 'stopped');
    await want(started, 'running');
    await rig.deleteInstance(deleted);
    const created = await run();
    await Promise.all([until(changed, 'running', 1), until(stopped, 'stopped', 0), until(started, 'running', 1)]);
    await vi.waitFor(async () => expect(await rig.processes(deleted)).toEqual([]), { timeout: 30_000 });
    await rig.untilBusIsQuiet();
    const [laterAgent] = await rig.processes(changed);

    await restore(rig);
    await Promise.all([
      until(changed, 'running', 1),
      until(stopped, 'running', 1),
      until(started, 'stopped', 0),
      until(deleted, 'running', 1),
      until(created, undefined, 0),
    ]);
    // The agent of the later config was replaced by one of the config that the backup holds.
    await vi.waitFor(async () => expect(await rig.processes(changed)).not.toContain(laterAgent), { timeout: 30_000 });

    await want(changed, 'stopped');
    await want(started, 'running');
    await configure(stopped, { v: 5 });
    await rig.deleteInstance(deleted);
    await Promise.all([
      until(changed, 'stopped', 0),
      until(started, 'running', 1),
      until(stopped, 'running', 1),
      until(deleted, undefined, 0),
    ]);
  }, 180_000);
});

describe('an event that no row caused', () => {
  const forge = async (id: string, type: string, headers: object, body: object): Promise<void> => {
    const [first] = rig.bus.of(id);
    const { agent_id, user_id } = first?.body ?? {};
    const eventId = randomUUID();
    await rig.bus.publish('events.topic', type, JSON.stringify({ instance_id: id, agent_id, user_id, ...body }), {
      type,
      messageId: eventId,
      headers: {
        ...first?.headers,
        'cloudEvents:id': eventId,
        'cloudEvents:type': type,
        'cloudEvents:sequence': '999'.padStart(19, '0'),
        ...headers,
      },
    });
  };
  const signalsOf = async (id: string): Promise<number> => {
    const { events } = await rig.workflow(id).fetchHistory();
    return (events ?? []).filter((event) => event.workflowExecutionSignaledEventAttributes).length;
  };
  /** Another message than those before has come, and the doubt that it raised is settled. */
  const heard = async (id: string, signalsBefore: number) =>
    vi.waitFor(
      async () => {
        expect(await signalsOf(id)).toBeGreaterThan(signalsBefore);
        expect((await rig.workflow(id).query(instanceStateQuery)).doubt).toBeUndefined();
      },
      { timeout: 30_000, interval: 100 },
    );

  test.each<[what: string, forged: (id: string) => Promise<void>]>([
    ['a deletion', (id) => forge(id, 'instance.deleted', {}, { deleted_at: new Date().toISOString() })],
    ['a stop', (id) => forge(id, 'instance.updated', { desired_state: 'stopped', generation: 999 }, { status: 'running', updated_at: new Date().toISOString() })], // prettier-ignore
  ])('%s: the agent goes on, and later changes of the row take effect', async (_what, forged) => {
    const id = await run();
    const [agent] = await rig.processes(id);
    const signals = await signalsOf(id);
    await forged(id);
    await heard(id, signals);
    await until(id, 'running', 1);
    expect(await rig.processes(id)).toEqual([agent]);
    await want(id, 'stopped');
    await until(id, 'stopped', 0);
    await want(id, 'running');
    await until(id, 'running', 1);
    await rig.deleteInstance(id);
    await until(id, undefined, 0);
    await rig.workflow(id).result();
  });

  test('a status of a generation that the row does not have is not written', async () => {
    const id = await run();
    const { rows } = await rig.pool.query<{ outcome: string }>(
      `select outcome from record_instance_status($1, 'stopped', 999, null, null)`,
      [id],
    );
    expect(one(rows).outcome).toBe('stale');
    expect(await statusOf(id)).toBe('running');
  });

  test('repeated without an end leaves the history short', async () => {
    const id = await run();
    const before = await historyLength(id);
    const signals = await signalsOf(id);
    for (let count = 0; count < 50; count += 1)
      await forge(id, 'instance.deleted', {}, { deleted_at: new Date().toISOString() });
    await heard(id, signals);
    await rig.untilBusIsQuiet();
    expect((await historyLength(id)) - before).toBeLessThan(500);
  });
});
