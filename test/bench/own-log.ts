import { setTimeout as delay } from 'node:timers/promises';
import { connect, type GetMessage } from 'amqplib';
import { exchangeNames, queueNames } from '../../contracts/names.ts';
import { openEngineHome } from './engine.ts';
import { publishFloor } from './floors.ts';
import type { Bench } from './open-bench.ts';

/** A log of its own, whose events nobody consumes. */
export interface OwnLog {
  /** Writes entries while event_broker is away, then starts it. @returns entries per second until all are on the bus */
  drain: (entries: number) => Promise<number>;
  /** Raw confirmed publishes of the same messages to the same queues per second, with a window of 200. */
  floor: (messages: number) => Promise<number>;
  close: () => Promise<void>;
}

/** The last one takes every event of an instance, the others some of them. */
const queues = [
  queueNames.agentsWorkerInstance,
  queueNames.userBackendWsUpdates,
  queueNames.adminBackendAudit,
] as const;
const [, , audit] = queues;
/** In this benchmark, a row is inserted, changed twice and deleted. */
const entriesPerLife = 4;
const livesPerStatement = 2_500;
const pollMs = 100;
const silenceMs = 120_000;

export async function openOwnLog(bench: Bench): Promise<OwnLog> {
  const home = await openEngineHome(bench);
  const connection = await connect(home.amqpUrl);
  const channel = await connection.createConfirmChannel();

  const write = async (lives: number): Promise<void> => {
    const { rows } = await home.pool.query<{ id: string }>(
      `insert into instances (agent_id, user_id) select gen_random_uuid(), gen_random_uuid()
       from generate_series(1, $1::integer) returning id`,
      [lives],
    );
    const ids = rows.map(({ id }) => id);
    for (const change of [1, 2]) {
      await home.pool.query('update instances set metadata = $2 where id = any ($1)', [ids, { change }]);
    }
    await home.pool.query('delete from instances where id = any ($1)', [ids]);
  };

  const withEventBroker = async <Result>(use: () => Promise<Result>): Promise<Result> => {
    const broker = home.start('event_broker');
    try {
      while (!broker.output().includes('event_broker is ready')) await delay(20);
      return await use();
    } finally {
      await broker.kill('SIGTERM');
    }
  };

  /** Empties the queues, which could not hold a million messages. @returns how many events came since the last time */
  const takeAll = async (): Promise<number> => {
    const counts = [];
    for (const queue of queues) counts.push((await channel.purgeQueue(queue)).messageCount);
    return counts.at(-1) ?? 0;
  };

  /** Waits for events. @returns how many came in a second, from the first time that there were some */
  const rateOf = async (expected: number): Promise<number> => {
    let [came, newsAt] = [0, performance.now()];
    let first: { came: number; at: number } | undefined;
    while (came < expected) {
      const more = await takeAll();
      const now = performance.now();
      came += more;
      if (more > 0) newsAt = now;
      else if (now - newsAt > silenceMs) throw new Error(`Only ${came} of ${expected} entries came to the bus.`);
      first ??= more > 0 ? { came, at: now } : undefined;
      if (came < expected) await delay(pollMs);
    }
    const { came: before, at: began } = first ?? { came: 0, at: NaN };
    return ((came - before) / (performance.now() - began)) * 1_000;
  };

  // event_broker declares the queues. The events of one life are the models of the messages of the floor.
  await write(1);
  const models = await withEventBroker(async () => {
    const found: GetMessage[] = [];
    while (found.length < entriesPerLife) {
      const message = await channel.get(audit, { noAck: true });
      if (message) found.push(message);
      else await delay(pollMs);
    }
    return found;
  });
  await takeAll();

  return {
    drain: async (entries) => {
      const lives = Math.ceil(entries / entriesPerLife);
      for (let left = lives; left > 0; left -= livesPerStatement) await write(Math.min(left, livesPerStatement));
      return withEventBroker(() => rateOf(lives * entriesPerLife));
    },
    floor: async (messages) => {
      const rate = await publishFloor(channel, {
        messages: Array.from({ length: messages }, (_, index) => toPublication(models[index % models.length])),
        window: 200,
      });
      await takeAll();
      return rate;
    },
    close: async () => {
      await connection.close();
      await home.close();
    },
  };
}

function toPublication(model: GetMessage | undefined) {
  if (!model) throw new Error('There is no message to publish.');
  const { content, fields, properties } = model;
  return {
    exchange: exchangeNames.events,
    routingKey: fields.routingKey,
    content,
    options: { ...properties, persistent: true, mandatory: true },
  };
}
