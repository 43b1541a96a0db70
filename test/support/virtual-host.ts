import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';
import { openAmqp } from '../../bridge/bus/connection.ts';
import { managementApi } from './management.ts';
import { withPath } from './with-path.ts';

export type VirtualHost = Awaited<ReturnType<typeof openVirtualHost>>;

/** An empty virtual host of a test's own; removed, with all that is in it, where its use ends. */
export async function openVirtualHost(
  { amqpUrl, managementUrl }: { amqpUrl: string; managementUrl: string } = inject('servers'),
) {
  const name = `test_${randomUUID()}`;
  const management = managementApi(managementUrl, amqpUrl);
  await management('PUT', `vhosts/${name}`);
  const url = withPath(amqpUrl, name);
  const amqp = await openAmqp({ amqpUrl: url, connectionName: name });
  return {
    name,
    amqpUrl: url,
    managementUrl,
    management,
    /** Survives what RabbitMQ refuses on other channels. */
    channel: await amqp.openSeparateChannel(),
    openChannel: amqp.openSeparateChannel,
    [Symbol.asyncDispose]: async () => {
      await amqp.close();
      await management('DELETE', `vhosts/${name}`);
    },
  };
}
