import { randomUUID } from 'node:crypto';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { useRig } from '../support/rig.ts';
import type { Service } from '../../workers/services/service.ts';

const rig = useRig();
let broker: Service;

beforeAll(async () => {
  await startBroker();
});
afterEach(() => broker.stop());

async function startBroker(): Promise<void> {
  broker = await rig.startEventBroker();
  await broker.ready();
}

const positions = (): unknown[] => rig.bus.seen.map(({ headers }) => headers['position']);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

test('positions are contiguous in the order of the bus, also where a writer commits late', async () => {
  const slow = await rig.connect();
  await slow.query('begin');
  const late = randomUUID();
  await slow.query('insert into instances (id, agent_id, user_id) values ($1, $1, $1)', [late]);
  const early = await rig.insertInstance(randomUUID());
  await rig.bus.until(early, 'instance.created');
  await slow.query('commit');
  await rig.bus.until(late, 'instance.created');
  await rig.pool.query('insert into instances (agent_id, user_id) select $1, $1 from generate_series(1, 1000)', [late]);
  await rig.untilBusIsQuiet();
  expect(rig.bus.seen.slice(0, 2).map(({ subject }) => subject)).toEqual([early, late]);
  expect(positions()).toEqual(upTo(rig.bus.seen.length));
});

test('what a broker had not marked when it ended comes again first, with its id and position', async () => {
  const before = rig.bus.seen.length;
  const last = rig.bus.seen.slice(-300);
  await rig.pool.query('update event_log set published_at = null where position > $1', [before - 300]);
  const id = await rig.insertInstance(randomUUID());
  await startBroker();
  await rig.bus.until(id, 'instance.created');
  const again = rig.bus.seen.slice(before);
  expect(again.slice(0, -1).map(({ id: event, headers }) => [event, headers['position']])).toEqual(
    last.map(({ id: event, headers }) => [event, headers['position']]),
  );
  expect(again.at(-1)?.headers['position']).toBe(before + 1);
});

test('an entry that is set aside keeps its place, and those behind it theirs', async () => {
  await startBroker();
  const before = rig.bus.seen.length;
  const { rows } = await rig.pool.query<{ head: string }>('select max(position) as head from event_log');
  await rig.pool.query(`select append_event('instances_notify', $1, 1, 'insert', 'instances', '{"id": "one"}')`, [
    randomUUID(),
  ]);
  await rig.untilBusIsQuiet();
  expect(positions().slice(before)).toEqual([Number(rows[0]?.head) + 2]);
});
