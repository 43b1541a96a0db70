import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { connect } from 'amqplib';

/** Milliseconds from `signalWithStart` to the result of a workflow that does nothing, one at a time. */
export async function temporalFloor(client: Client, address: string, rounds: number): Promise<number[]> {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  const connection = await NativeConnection.connect({ address });
  const taskQueue = `floor-${randomUUID()}`;
  const worker = await Worker.create({
    connection,
    taskQueue,
    workflowsPath: fileURLToPath(new URL('./floor-workflow.ts', import.meta.url)),
    bundlerOptions: { webpackConfigHook: (config) => ({ ...config, stats: 'none' }) },
    activities: { nothing: async () => undefined, nothingLocal: async () => undefined },
  });
  const times = await worker.runUntil(async () => {
    const measured: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const began = performance.now();
      const handle = await client.workflow.signalWithStart('floorWorkflow', {
        taskQueue,
        workflowId: randomUUID(),
        signal: 'go',
      });
      await handle.result();
      measured.push(performance.now() - began);
    }
    return measured;
  });
  await connection.close();
  return times;
}

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
