import { expect, inject, vi } from 'vitest';
import { deadLetterQueueOf, topology } from '../../contracts/topology.ts';
import { translate } from '../../bridge/event-broker/translate.ts';
import type { Seen } from '../support/bus.ts';
import { openControl } from '../support/control.ts';
import { readLog, type Life } from './life.ts';
import type { System } from './system.ts';

const timeoutMs = 30_000;

interface Options {
  /** Whether an event may come again, which happens only when a broker was killed between publishing the event and marking it. */
  repeats: boolean;
}

/** The bus carried exactly the entries of the log about an instance and its agents, in the order of the log. */
export async function checkBus({ id, agentIds, system: { rig } }: Life, { repeats }: Options): Promise<void> {
  for (const subject of [id, ...Object.values(agentIds)]) {
    const log = await readLog(rig, [subject]);
    expect(
      log.map(({ sequence }) => sequence),
      'the sequence of the log',
    ).toEqual(log.map((_, index) => index + 1));
    const expected = log.map((entry) => {
      const { body, metadata } = translate(entry);
      return { id: metadata.id, type: metadata.type, sequence: metadata.sequence, body };
    });
    await vi.waitFor(
      () => {
        const seen = rig.bus.of(subject).map(inBrief);
        const first = seen.filter((event, index) => seen.findIndex(({ id: other }) => other === event.id) === index);
        expect(first, `first copies of the events of ${subject}`).toEqual(expected);
        if (!repeats) expect(seen, 'copies').toHaveLength(expected.length);
      },
      { timeout: timeoutMs, interval: 100 },
    );
  }
}

/** After every instance was deleted, nothing is left of them except the log. */
export async function checkNothingIsLeft({ rig }: System, directoryEntries: readonly string[]): Promise<void> {
  const control = openControl(rig, inject('servers').managementUrl);
  await vi.waitFor(async () => expect(await control.queues(), 'control queues').toEqual([]));
  await rig.untilBusIsQuiet();
  // The broker marks an entry as published a moment after it published it.
  await vi.waitFor(async () => {
    const { rows } = await rig.pool.query(
      `select (select count(*)::int from instances) as instances,
         (select count(*)::int from event_log where published_at is null or rejected_reason is not null) as unpublished`,
    );
    expect(rows).toEqual([{ instances: 0, unpublished: 0 }]);
  });
  expect(directoryEntries.filter((entry) => entry.startsWith('instance-'))).toEqual([]);
  for (const { name } of topology.queues) {
    if (!topology.queues.some((queue) => deadLetterQueueOf(queue.name) === name)) continue;
    expect(await rig.bus.channel.checkQueue(name), 'dead letters').toMatchObject({ messageCount: 0 });
  }
}

function inBrief({ id, type, headers, body }: Seen) {
  return { id, type, sequence: Number(headers['cloudEvents:sequence']), body };
}
