import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { goesOnSeconds } from '../../activities/take-steps.ts';
import { amqpLimits } from '../../bridge/bus/time-limits.ts';
import { leadership } from '../../bridge/event-broker/time-limits.ts';
import { acceptanceLimits } from '../../bridge/signals/time-limits.ts';
import { stopLimits } from '../../supervision/time-limits.ts';
import { commandLineLimits, leaderLimits, poolLimits } from '../../database/time-limits.ts';
import { buildLimits, hostLimits, temporalLimits } from '../../workers/services/time-limits.ts';

const root = new URL('../../', import.meta.url);
const unitsMs: Record<string, number> = {
  milliseconds: 1,
  second: 1_000,
  seconds: 1_000,
  minutes: 60_000,
  hours: 3_600_000,
};

/** Every limit of that name in the workflow code, in milliseconds. */
async function activityLimits(name: string): Promise<number[]> {
  const files = (await readdir(new URL('workflows/', root))).filter((file) => file.endsWith('.ts'));
  const sources = await Promise.all(files.map((file) => readFile(new URL(`workflows/${file}`, root), 'utf8')));
  return sources.flatMap((source) =>
    [...source.matchAll(new RegExp(`${name}: '(\\d+) (\\w+)'`, 'g'))].map(
      ([, count, unit]) => Number(count) * (unitsMs[unit ?? ''] ?? Number.NaN),
    ),
  );
}

/** The shortest time that the compose file leaves any of our processes to end. */
async function composeGraceMs(): Promise<number> {
  const compose = parse(await readFile(new URL('docker-compose.yml', root), 'utf8'), { merge: true }) as {
    'x-engine': { stop_grace_period: string };
  };
  return Number.parseInt(compose['x-engine'].stop_grace_period) * 1_000;
}

test('an attempt of an activity that was given up cannot write to the database later on', async () => {
  const { connectMs, session } = poolLimits;
  const limits = await activityLimits('startToCloseTimeout');
  expect(limits.length).toBeGreaterThan(2);
  expect(goesOnSeconds * 1_000 + connectMs + session.statementMs).toBeLessThan(Math.min(...limits));
});

test.each(Object.entries({ poolLimits, commandLineLimits, leaderLimits }))(
  '%s: the server ends a statement before the client gives it up, and a client before its transaction',
  (_, { queryMs, session }) => {
    expect(session.statementMs).toBeLessThan(queryMs);
    expect(queryMs).toBeLessThan(session.idleInTransactionMs);
  },
);

test('a leader renews its lease in time, stops publishing before it ends, and is replaced after that', () => {
  const { beatMs, fenceMs, leaseMs, pollMs } = leadership;
  // A beat may have to wait for the query in hand.
  expect(beatMs + leaderLimits.queryMs).toBeLessThanOrEqual(fenceMs);
  expect(fenceMs + pollMs).toBeLessThan(leaseMs);
  expect(3 * beatMs).toBeLessThan(leaderLimits.session.idleMs ?? 0);
  expect(leaderLimits.session.idleMs).toBeLessThanOrEqual(leaseMs);
});

test('RabbitMQ gives a stopped leader up before another one leads', () => {
  expect(3_000 * leadership.amqpHeartbeatSeconds).toBeLessThan(leadership.leaseMs);
});

test('a session whose call is not answered begins again before RabbitMQ gives up a queue without a leader', () => {
  // https://github.com/rabbitmq/rabbitmq-server/blob/v4.1.0/deps/rabbit/src/rabbit_fifo_client.erl: COMMAND_TIMEOUT
  const commandMs = 30_000;
  expect(amqpLimits.goodbyeMs).toBeLessThan(amqpLimits.callMs);
  expect(amqpLimits.callMs + amqpLimits.finishMs + amqpLimits.goodbyeMs).toBeLessThan(commandMs);
});

test('a heartbeat of an activity comes several times within its limit', async () => {
  const limits = await activityLimits('heartbeatTimeout');
  expect(limits.length).toBeGreaterThan(2);
  expect(3 * temporalLimits.heartbeatThrottleMs).toBeLessThan(Math.min(...limits));
});

test('Temporal allows the signs of life that are asked of it', () => {
  expect(temporalLimits.keepAliveMs).toBeGreaterThan(10_000);
});

test('a refusal of Temporal that lasts is said in time, and is over within seconds once it is mended', () => {
  const { maxRetryMs, maxRunRetryMs, lastingMs } = acceptanceLimits;
  expect(maxRetryMs).toBeLessThan(lastingMs);
  expect(maxRunRetryMs).toBeLessThan(maxRetryMs);
  expect(temporalLimits.namespaceCheckIntervalMs).toBeLessThanOrEqual(lastingMs);
});

test('an activity goes on with further steps only while no other worker can have been given its task', async () => {
  expect(goesOnSeconds * 1_000).toBeLessThan(Math.min(...(await activityLimits('heartbeatTimeout'))));
});

test('what a stop waits for fits into the time that the compose file gives it', async () => {
  const { partMs, closeMs, spansMs, processMs } = stopLimits;
  const { abandonMs, finishMs, goodbyeMs } = amqpLimits;
  // The part waits for the connection, which waits for the messages in hand.
  expect(finishMs).toBeLessThan(abandonMs);
  expect(abandonMs).toBeLessThan(partMs);
  expect(temporalLimits.shutdownGraceMs).toBeLessThan(temporalLimits.shutdownForceMs);
  expect(temporalLimits.shutdownForceMs).toBeLessThan(partMs);
  // agents_worker: it leaves its hosts, then it ends its consumers, the activities, the commands to agents, and all else.
  const { leaveMs, startingMs, abandonedMs } = hostLimits;
  expect(leaveMs + abandonMs + temporalLimits.shutdownForceMs + goodbyeMs + closeMs + spansMs).toBeLessThan(processMs);
  // What was placed a moment ago is started while the consumers end, and the leases end beside the commands.
  expect(startingMs).toBeLessThan(abandonMs);
  expect(leaveMs).toBeLessThan(goodbyeMs);
  expect(abandonedMs).toBeLessThan(goodbyeMs);
  expect(processMs).toBeLessThan(await composeGraceMs());
});

test('a worker says in time again that its build runs, although one query times out', () => {
  const { announcementIntervalMs, announcedSeconds } = buildLimits;
  expect(2 * announcementIntervalMs + poolLimits.queryMs).toBeLessThan(announcedSeconds * 1_000);
});
