import pg from 'pg';
import { afterEach, expect, test, vi } from 'vitest';
import { useRig } from '../support/rig.ts';

// Counts, which do not drift as times do. A change that costs more must say here how much.
const rig = useRig({ services: ['event_broker', 'agents_worker'] });

afterEach(() => vi.restoreAllMocks());

/** Counts the statements that name an instance, on all connections of this process. */
function countStatements(): (instanceId: string) => number {
  const named: unknown[][] = [];
  // oxlint-disable-next-line typescript/unbound-method -- called with the client as `this`
  const query = pg.Client.prototype.query as (this: pg.Client, ...args: unknown[]) => unknown;
  vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    const [config, values] = args as [{ values?: unknown[] } | string, unknown[]?];
    named.push((typeof config === 'string' ? values : (config.values ?? values)) ?? []);
    return query.apply(this, args) as never;
  });
  return (instanceId) => named.filter((values) => values.includes(instanceId)).length;
}

/** Creates an instance, deletes it once it runs, and waits for the end of its workflow. */
async function live(agentId: string): Promise<string> {
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  await rig.deleteInstance(id);
  await rig.workflow(id).result();
  return id;
}

test('what a life of create, run and delete costs', async () => {
  const agentId = await rig.publishAgent({ command: ['sleep', '100000'] });
  // The first instance may find a worker that does not know its host yet.
  await live(agentId);

  const statements = countStatements();
  const id = await live(agentId);

  const { events } = await rig.workflow(id).fetchHistory();
  const count = (attributes: keyof NonNullable<typeof events>[number]): number =>
    (events ?? []).filter((event) => event[attributes]).length;
  const { rows } = await rig.pool.query<{ published: number }>(
    'select count(*)::int as published from event_log where entity_id = $1',
    [id],
  );
  expect({
    historyEvents: events?.length,
    workflowTasks: count('workflowTaskScheduledEventAttributes'),
    activities: count('activityTaskScheduledEventAttributes'),
    markers: count('markerRecordedEventAttributes'),
    timers: count('timerStartedEventAttributes'),
    upserts: count('upsertWorkflowSearchAttributesEventAttributes'),
    eventsOnTheBus: rows[0]?.published,
    statements: statements(id),
  }).toEqual({
    historyEvents: 24,
    workflowTasks: 4,
    activities: 2,
    markers: 0,
    timers: 0,
    upserts: 2,
    eventsOnTheBus: 4,
    statements: 15,
  });
});
