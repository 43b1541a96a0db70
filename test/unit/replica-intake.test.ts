import fc from 'fast-check';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { LiveEvent } from '../../backends/live/published-events.ts';
import { createIntake } from '../../backends/live/replica-intake.ts';

const event = (position: number, edition = '') =>
  ({ metadata: { id: `event ${position}${edition}`, position } }) as LiveEvent;

/** A log of positions from 1 on, of which some concern no client, and an intake that has begun behind `from`. */
async function open({ head = 0, hidden = [] as number[], pageSize = 3, maxWaiting = 1_000 } = {}) {
  const got: number[] = [];
  const losses: number[] = [];
  const warnings: string[] = [];
  const log = { head, reads: 0, isAway: false, removed: 0, edition: '' };
  const intake = createIntake({
    onEvent: ({ metadata }) => void got.push(metadata.position),
    onLoss: () => void losses.push(log.head),
    readHead: async () => log.head,
    readPage: async (after) => {
      log.reads += 1;
      if (log.isAway) throw new Error('away');
      const all = Array.from({ length: Math.max(log.head - after, 0) }, (_, index) => after + 1 + index);
      const page = all.filter((position) => !hidden.includes(position)).slice(0, pageSize);
      return {
        events: page.map((position) => event(position, log.edition)),
        upTo: page.at(-1) ?? after,
        more: page.length === pageSize,
        isComplete: log.removed <= after,
      };
    },
    logger: pino({}, { write: (line: string) => void warnings.push((JSON.parse(line) as { msg: string }).msg) }),
    maxWaiting,
  });
  await intake.catchUp();
  /** As the broker does: into the log, then onto the bus. */
  const publish = (position: number): Promise<void> => {
    log.head = Math.max(log.head, position);
    return intake.take(event(position, log.edition));
  };
  return { intake, got, losses, log, warnings, publish };
}

test('begins where the log ends, and hands on what follows without asking it', async () => {
  const { intake, got, log, publish } = await open({ head: 7 });
  await publish(8);
  await publish(9);
  expect([got, log.reads, intake.position]).toEqual([[8, 9], 0, 9]);
});

test('reads what is missing before it hands on what came after it', async () => {
  const { got, log, publish } = await open();
  log.head = 9;
  await publish(10);
  expect(got).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test('goes on where the missing ones concern nobody', async () => {
  const { got, publish } = await open({ hidden: [1, 2, 4] });
  await publish(3);
  await publish(5);
  expect(got).toEqual([3, 5]);
});

test('drops repeats', async () => {
  const { got, publish } = await open();
  for (const position of [1, 2, 1, 2, 3, 3]) await publish(position);
  expect(got).toEqual([1, 2, 3]);
});

test('ignores a position that the log does not know, and what it stood before goes on', async () => {
  const { intake, got, warnings, publish } = await open();
  await Promise.all([intake.take(event(1_000_000)), publish(1)]);
  await publish(2);
  expect(got).toEqual([1, 2]);
  expect(warnings).toEqual(['an event was ignored whose position the log does not know']);
});

test('keeps no more than so many while it reads, and gets the others from the log', async () => {
  const { got, publish } = await open({ maxWaiting: 5 });
  await Promise.all(Array.from({ length: 100 }, (_, index) => publish(index + 2)));
  expect(got).toEqual(Array.from({ length: 101 }, (_, index) => index + 1));
});

test('a log that cannot be read fails the call, and the next one makes up for it', async () => {
  const { got, log, publish, intake } = await open();
  log.isAway = true;
  log.head = 3;
  await expect(publish(4)).rejects.toThrow('away');
  log.isAway = false;
  await intake.catchUp();
  expect(got).toEqual([1, 2, 3, 4]);
});

test('whatever the bus loses, repeats or brings while the log is read: each once, in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('bus', 'lost', 'hidden', 'repeat', 'pause'), { maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      async (steps, maxWaiting) => {
        const hidden: number[] = [];
        const { got, log, publish, intake } = await open({ hidden, maxWaiting });
        const taken: Promise<void>[] = [];
        const came: number[] = [];
        for (const step of steps) {
          if (step === 'pause') await Promise.all(taken);
          else if (step === 'repeat') taken.push(...came.slice(-2).map((position) => intake.take(event(position))));
          else {
            if (step === 'hidden') hidden.push(log.head + 1);
            if (step === 'bus') taken.push(publish(came[came.push(log.head + 1) - 1] as number));
            else log.head += 1;
          }
        }
        await Promise.all(taken);
        await intake.catchUp();
        const expected = Array.from({ length: log.head }, (_, index) => index + 1);
        expect(got).toEqual(expected.filter((position) => !hidden.includes(position)));
      },
    ),
  );
});

test('says so where entries were removed before it could read them, and goes on behind them', async () => {
  const { got, losses, log, publish } = await open();
  await publish(1);
  log.head = 9;
  log.removed = 5;
  await publish(10);
  await publish(11);
  expect([got, losses]).toEqual([[1, 11], [10]]);
});

test('does not miss entries that were removed after they had come', async () => {
  const { got, losses, log, publish } = await open();
  for (const position of [1, 2, 3]) await publish(position);
  log.removed = 3;
  log.head = 4;
  await publish(5);
  expect([got, losses]).toEqual([[1, 2, 3, 4, 5], []]);
});

test.each(['below what has come', 'to a place that was overtaken before anybody looked'])(
  'begins anew where the log was set back %s',
  async (where) => {
    const { intake, got, losses, log, publish } = await open();
    for (const position of [1, 2, 3, 4]) await publish(position);
    log.edition = ' of the copy';
    log.head = where === 'below what has come' ? 2 : 9;
    if (where === 'below what has come') await intake.catchUp();
    else await publish(3);
    expect(losses).toEqual([log.head]);
    await publish(log.head + 1);
    expect(got).toEqual([1, 2, 3, 4, where === 'below what has come' ? 3 : 10]);
  },
);

test('begins anew where the log was set back and gave a place that concerned no client to an event', async () => {
  const hidden = [3];
  const { intake, got, losses, log, publish } = await open({ hidden });
  for (const position of [1, 2]) await publish(position);
  log.head = 3;
  await intake.catchUp();
  log.edition = ' of the copy';
  hidden.pop();
  await publish(3);
  expect(losses).toEqual([3]);
  await publish(4);
  expect(got).toEqual([1, 2, 4]);
});

test('an event at a place that another one has, of which the log knows nothing, changes nothing', async () => {
  const { intake, got, losses, publish } = await open();
  for (const position of [1, 2, 3]) await publish(position);
  await intake.take(event(2, ' that was forged'));
  await publish(4);
  expect([got, losses, intake.position]).toEqual([[1, 2, 3, 4], [], 4]);
});
