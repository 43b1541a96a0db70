import { expect, vi } from 'vitest';
import { translate } from '../../../bridge/event-broker/translate.ts';
import {
  eventLogColumns,
  toEventLogEntry,
  type EventLogEntry,
  type EventLogRow,
} from '../../../bridge/event-broker/event-log.ts';
import { listProcesses } from '../../../runtimes/process/process-table.ts';
import type { Seen } from '../bus.ts';
import type { Rig } from '../rig.ts';
import type { Wish } from './users.ts';

const patience = { timeout: 120_000, interval: 500 };

/** Rows, log, bus, workflows and agents say what the users were told, each event once. */
export async function untilAsToldToUsers(
  rig: Rig,
  wishes: Iterable<Wish>,
): Promise<{ events: number; repeats: number }> {
  const all = [...wishes];
  await untilAtRest(rig);
  expect(await readWishes(rig, all)).toEqual(new Map(all.map((wish) => [wish.instanceId, wish])));
  const log = await readLog(rig);
  for (const { instanceId, generation } of all) {
    const entries = log.filter(({ entityId }) => entityId === instanceId);
    const sequences = entries.map(({ sequence }) => sequence);
    expect(sequences, `the sequences of ${instanceId}`).toEqual(sequences.map((_, index) => index + 1));
    const generations = new Set(entries.map(generationOf));
    expect([...generations], `the generations of ${instanceId}`).toEqual(
      Array.from({ length: generation }, (_, index) => index + 1),
    );
  }
  return untilOnBus(rig, log);
}

/** What the rows say that the users want. */
async function readWishes({ pool }: Rig, wishes: readonly Wish[]): Promise<Map<string, Wish>> {
  const { rows } = await pool.query<{ id: string; generation: string; desired: 'running' | 'stopped' }>(
    'select id, generation, desired_state as desired from instances',
  );
  const found = new Map(rows.map((row) => [row.id, row]));
  return new Map(
    wishes.map(({ instanceId, generation }) => {
      const row = found.get(instanceId);
      return [
        instanceId,
        {
          instanceId,
          generation: row ? Number(row.generation) : generation,
          desiredState: row?.desired ?? 'deleted',
        },
      ];
    }),
  );
}

/** Every row is observed and is as it is wanted, everything is published, and exactly those agents run that the rows want. */
export async function untilAtRest(rig: Rig): Promise<void> {
  await vi.waitFor(async () => {
    const { rows } = await rig.pool.query<{ id: string; desired: string; said: string }>(
      `select id, desired_state as desired,
         case when observed_generation = generation then status else 'not observed' end as said from instances`,
    );
    expect(rows.filter(({ desired, said }) => desired !== said)).toEqual([]);
    const wanted = rows.filter(({ desired }) => desired === 'running').map(({ id }) => id);
    expect((await runningAgents(rig)).toSorted()).toEqual(wanted.toSorted());
    const { rows: waiting } = await rig.pool.query('select from event_log where published_at is null');
    expect(waiting).toEqual([]);
  }, patience);
}

/** The instances of all agents of the rig that run, one entry for each agent. */
async function runningAgents(rig: Rig): Promise<string[]> {
  const ids = new Set(rig.bus.seen.map(({ subject }) => subject));
  return (await listProcesses()).flatMap(({ instanceName, pid, group }) => {
    const id = instanceName?.slice('instance-'.length);
    return id !== undefined && pid === group && ids.has(id) ? [id] : [];
  });
}

/** All entries in the order in which they are published. */
export async function readLog({ pool }: Rig): Promise<EventLogEntry[]> {
  const { rows } = await pool.query<EventLogRow>(
    `select id, notification, ${eventLogColumns} from event_log order by position`,
  );
  return rows.map(toEventLogEntry);
}

/** The bus carried each entry of the log, unchanged; the first copies of an instance's events came in their order. */
export async function untilOnBus(
  rig: Rig,
  log: readonly EventLogEntry[],
): Promise<{ events: number; repeats: number }> {
  const expected = log.map((entry) => {
    const { body, metadata } = translate(entry);
    return { id: metadata.id, type: metadata.type, subject: metadata.subject, sequence: metadata.sequence, body };
  });
  const ids = new Set(expected.map(({ id }) => id));
  await vi.waitFor(() => {
    const seen = new Set(rig.bus.seen.map(({ id }) => id));
    expect(expected.filter(({ id }) => !seen.has(id))).toEqual([]);
  }, patience);
  const first = new Map<string, Seen>();
  for (const event of rig.bus.seen) if (!first.has(event.id)) first.set(event.id, event);
  expect(bySubject([...first.values()].filter(({ id }) => ids.has(id)).map(inBrief))).toEqual(bySubject(expected));
  return { events: first.size, repeats: rig.bus.seen.length - first.size };
}

function bySubject<Event extends { subject: string }>(events: readonly Event[]): Map<string, Event[]> {
  const groups = new Map<string, Event[]>();
  for (const event of events) groups.set(event.subject, [...(groups.get(event.subject) ?? []), event]);
  return groups;
}

function inBrief({ id, type, subject, headers, body }: Seen) {
  return { id, type, subject, sequence: Number(headers['cloudEvents:sequence']), body };
}

function generationOf({ notification }: EventLogEntry): number {
  return Number((notification as { row_data: { generation: unknown } }).row_data.generation);
}
