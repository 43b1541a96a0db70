import { randomUUID } from 'node:crypto';
import { connect, type ConfirmChannel, type Options } from 'amqplib';
import pMap from 'p-map';

/** Milliseconds from a publish to its delivery from a quorum queue, one at a time. */
export async function busFloor(amqpUrl: string, rounds: number): Promise<number[]> {
  const connection = await connect(amqpUrl);
  const channel = await connection.createConfirmChannel();
  const queue = `floor-${randomUUID()}`;
  await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
  let delivered: () => void = () => undefined;
  await channel.consume(queue, () => delivered(), { noAck: true });
  const measured: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const began = performance.now();
    await new Promise<void>((resolve) => {
      delivered = resolve;
      channel.sendToQueue(queue, Buffer.from('{}'), { persistent: true });
    });
    measured.push(performance.now() - began);
  }
  await channel.deleteQueue(queue);
  await connection.close();
  return measured;
}

interface Publication {
  exchange: string;
  routingKey: string;
  content: Buffer;
  options: Options.Publish;
}

/** Confirmed publishes per second. `window`: how many wait for their confirm at the same time. */
export async function publishFloor(
  channel: ConfirmChannel,
  { messages, window }: { messages: readonly Publication[]; window: number },
): Promise<number> {
  const began = performance.now();
  await pMap(
    messages,
    ({ exchange, routingKey, content, options }) =>
      new Promise<void>((resolve, reject) => {
        channel.publish(exchange, routingKey, content, options, (error: Error | null) =>
          error ? reject(error) : resolve(),
        );
      }),
    { concurrency: window },
  );
  return (messages.length / (performance.now() - began)) * 1_000;
}
