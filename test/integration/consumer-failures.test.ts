import { afterAll, expect, test, vi } from 'vitest';
import { pino } from 'pino';
import { startConsumer } from '../../bridge/bus/consumer.ts';
import type { Supervised } from '../../supervision/supervise.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig({ services: ['event_broker'] });
let consumer: Supervised | undefined;

afterAll(() => consumer?.stop());

test('an error of the program is tried five times and dead-lettered, and an outage is waited for in place', async () => {
  const agent = await rig.publishAgent();
  const [faulty, waiting, good] = [
    await rig.insertInstance(agent),
    await rig.insertInstance(agent),
    await rig.insertInstance(agent),
  ];
  await rig.bus.until(good, 'instance.created');
  const calls: string[] = [];
  let isAway = true;
  let isHandled = false;
  const ready = vi.fn<() => void>();
  consumer = startConsumer({
    name: 'test.consumer',
    amqpUrl: rig.environment.AMQP_URL,
    queue: 'agents_worker.instance',
    logger: pino({}, { write: (line: string) => void (line.includes('is ready') && ready()) }),
    onFatal: () => undefined,
    handle: async ({ body }) => {
      const { instance_id: id } = body;
      calls.push(id);
      if (id === faulty) throw new TypeError('it cannot be read');
      if (id === waiting && isAway) throw new Error('the database is away');
      if (id === waiting) isHandled = true;
    },
  });
  const letter = await vi.waitFor(
    async () => {
      const found = await rig.bus.channel.get('agents_worker.instance.dead', { noAck: true });
      if (!found) throw new Error('no dead letter');
      return found;
    },
    { timeout: 30_000 },
  );
  expect(JSON.parse(letter.content.toString('utf8'))).toMatchObject({ instance_id: faulty });
  expect(letter.properties.headers).toMatchObject({
    dead_letter_reason: expect.stringMatching(/failed 5 times: .*it cannot be read/),
  });
  const callsOf = (wanted: string): number => calls.filter((id) => id === wanted).length;
  await vi.waitUntil(() => callsOf(waiting) > 5, { timeout: 30_000 });
  isAway = false;
  await vi.waitUntil(() => isHandled, { timeout: 30_000 });
  await consumer.stop();
  expect((await rig.bus.channel.checkQueue('agents_worker.instance')).messageCount).toBe(0);
  expect([callsOf(faulty), callsOf(good)]).toEqual([5, 1]);
  expect(ready).toHaveBeenCalledTimes(1);
  expect(await rig.bus.channel.get('agents_worker.instance.dead', { noAck: true })).toBe(false);
});
