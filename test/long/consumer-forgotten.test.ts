import { pino } from 'pino';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { startConsumer } from '../../bridge/bus/consumer.ts';
import { assertTopology } from '../../bridge/bus/topology.ts';
import type { Supervised } from '../../supervision/supervise.ts';
import { createdMessage } from '../support/events.ts';
import { startOwnBroker, type OwnBroker } from '../support/own-broker.ts';
import { openVirtualHost, type VirtualHost } from '../support/virtual-host.ts';

let broker: OwnBroker;
beforeAll(async () => {
  broker = await startOwnBroker();
}, 120_000);
afterAll(() => broker?.stop());

const queue = 'agents_worker.instance';

/** Runs Erlang in the node with `Q`, the record of the queue, and `Server`, the name of its only Raft member. */
const onQueue = ({ name }: VirtualHost, expression: string): Promise<void> =>
  broker.evaluate(
    `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"${name}">>, queue, <<"${queue}">>)),
     {Server, _} = amqqueue:get_pid(Q), ${expression}.`,
  );

function consume({ amqpUrl }: VirtualHost): { consumer: Supervised; handled: string[]; lines: string[] } {
  const handled: string[] = [];
  const lines: string[] = [];
  const consumer = startConsumer({
    name: 'test.consumer',
    amqpUrl,
    queue,
    logger: pino({}, { write: (line: string) => void lines.push(line) }),
    onFatal: (error) => lines.push(String(error)),
    handle: async ({ metadata }) => void handled.push(metadata.subject),
  });
  onTestFinished(() => consumer.stop());
  return { consumer, handled, lines };
}

/** @returns the id of the instance that the event is about */
function publish({ channel }: VirtualHost): string {
  const { content, headers } = createdMessage();
  channel.publish('events.topic', 'instance.created', Buffer.from(content), { headers });
  return String(headers['cloudEvents:subject']);
}

test('a consumer that RabbitMQ forgot together with its queue handles what comes into the new queue', async () => {
  await using host = await openVirtualHost(broker);
  await assertTopology(host.channel, 'event_broker');
  const { consumer, handled, lines } = consume(host);
  await vi.waitUntil(() => consumer.health.ready);
  // RabbitMQ does the same when a deletion takes it longer than 5 s.
  await onQueue(
    host,
    `ra:force_delete_server(quorum_queues, amqqueue:get_pid(Q)),
     try rabbit_amqqueue:internal_delete(amqqueue:get_name(Q), <<"test">>)
     catch _:_ -> rabbit_amqqueue:internal_delete(Q, <<"test">>) end`,
  );
  await assertTopology(host.channel, 'event_broker');
  const ids = [publish(host), publish(host)];
  await vi.waitUntil(() => ids.every((id) => handled.includes(id)));
  await vi.waitUntil(() => consumer.health.ready);
  ids.push(publish(host));
  await vi.waitUntil(() => handled.length >= ids.length);
  expect(handled.toSorted()).toEqual(ids.toSorted());
  expect(lines.join('')).not.toContain('RabbitMQ cancelled the consumer');
}, 240_000);

test('a queue that takes no consumer ends the session in time, and is consumed once it does', async () => {
  await using host = await openVirtualHost(broker);
  await assertTopology(host.channel, 'event_broker');
  await onQueue(host, 'sys:suspend(whereis(Server))');
  const { consumer, handled, lines } = consume(host);
  await vi.waitFor(() => expect(lines.join('')).toMatch(/RabbitMQ did not answer (consume|prefetch) within 10000 ms/), {
    timeout: 30_000,
  });
  expect(lines.join('')).not.toContain('is ready');
  await onQueue(host, 'sys:resume(whereis(Server))');
  await vi.waitUntil(() => consumer.health.ready, { timeout: 20_000 });
  const id = publish(host);
  await vi.waitUntil(() => handled.length > 0);
  expect(handled).toEqual([id]);
}, 240_000);
