import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { inject, vi } from 'vitest';
import { stackRoot, toolsDirectory } from '../../stack/paths.ts';
import { choosePorts } from '../../stack/ports.ts';
import { findRabbitmq } from '../../stack/rabbitmq-find.ts';
import { startRabbitmq } from '../../stack/rabbitmq.ts';
import { resetStack } from '../../stack/stack.ts';
import { findRabbitmq4 } from './find-rabbitmq-4.ts';
import { managementApi } from './management.ts';
import { controlRabbitmq } from './rabbitmq-control.ts';

export type OwnBroker = Awaited<ReturnType<typeof startOwnBroker>>;

/** A RabbitMQ of a test file's own, of the release that its project runs on: an alarm blocks all that publish to a node. */
export async function startOwnBroker() {
  const directory = join(stackRoot, `test-broker-${randomUUID()}`);
  await mkdir(directory, { recursive: true });
  const ports = await choosePorts('free');
  const onProgress = (): void => undefined;
  const broker = await ((await releaseOfProject()).startsWith('4.')
    ? findRabbitmq4({ toolsDirectory, onProgress })
    : findRabbitmq({ onProgress }));
  const server = await startRabbitmq({ directory, ports, broker });

  const control = async (...args: string[]): Promise<void> => {
    await controlRabbitmq({ directory, found: broker.found, epmdPort: ports.epmd }, args);
  };
  const managementUrl = `http://127.0.0.1:${ports.management}`;
  const isBlocking = async (): Promise<boolean> => {
    const connection = await connect(server.url);
    try {
      const told = new Promise<true>((resolve) => {
        connection.once('blocked', () => resolve(true));
      });
      const channel = await connection.createConfirmChannel();
      channel.publish('amq.direct', 'nobody', Buffer.alloc(0));
      return await Promise.race([told, channel.waitForConfirms().then(() => false)]);
    } finally {
      await connection.close();
    }
  };
  const untilBlocking = (wanted: boolean): Promise<void> =>
    vi.waitFor(
      async () => {
        if ((await isBlocking()) !== wanted) throw new Error(`RabbitMQ ${wanted ? 'takes' : 'does not take'} messages`);
      },
      { timeout: 60_000 },
    );

  let isInEffect = false;
  return {
    amqpUrl: server.url,
    managementUrl,
    management: managementApi(managementUrl, server.url),
    /** Sets an alarm off, and returns once it is in effect. */
    alarm: async (): Promise<void> => {
      isInEffect = true;
      await control('set_disk_free_limit', '100000GB');
      await untilBlocking(true);
    },
    endAlarm: async (): Promise<void> => {
      if (!isInEffect) return;
      await control('set_disk_free_limit', '1MB');
      await untilBlocking(false);
      isInEffect = false;
    },
    /** Runs Erlang within the node, for faults that nothing outside can cause. */
    evaluate: (expression: string): Promise<void> => control('eval', expression),
    stop: async (): Promise<void> => {
      await server.stop();
      await resetStack(directory);
    },
  };
}

async function releaseOfProject(): Promise<string> {
  const { amqpUrl, managementUrl } = inject('servers');
  const overview = await managementApi(managementUrl, amqpUrl)('GET', 'overview');
  return String(((await overview.json()) as { rabbitmq_version: unknown }).rabbitmq_version);
}
