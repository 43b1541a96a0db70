import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ConsumeMessage } from 'amqplib';
import { vi } from 'vitest';
import { z } from 'zod';
import { managementApi } from './management.ts';
import type { Rig } from './rig.ts';

const script = fileURLToPath(new URL('listening-agent.mjs', import.meta.url));

const note = z.object({
  instance: z.string(),
  type: z.string(),
  body: z.record(z.string(), z.unknown()),
  at: z.number(),
});
const queues = z.array(z.object({ name: z.string() }));
const bindings = z.array(z.object({ source: z.string(), routing_key: z.string() }));

export type Control = ReturnType<typeof openControl>;

/** Agents that listen, and what RabbitMQ itself says of the control queues of a rig. */
export function openControl(rig: Rig, managementUrl: string) {
  const vhost = new URL(rig.environment.AMQP_URL).pathname.slice(1);
  const trace = join(rig.environment.RUNTIME_DIRECTORY, 'trace');

  const call = managementApi(managementUrl, rig.environment.AMQP_URL);
  const get = async (path: string): Promise<unknown> => (await call('GET', path)).json();

  return {
    publishAgent: (options: { onStop?: 'end' | 'stay'; runtime?: object } = {}): Promise<string> =>
      rig.publishAgent({
        command: [process.execPath, script],
        environment: { TRACE: trace, ON_STOP: options.onStop ?? 'end' },
        control: true,
        ...options.runtime,
      }),

    /** What the agent of an instance was told, oldest first. */
    told: async (instanceId: string) => {
      const text = await readFile(trace, 'utf8').catch(() => '');
      const notes = text.split('\n').filter((line) => line !== '');
      return notes.map((line) => note.parse(JSON.parse(line))).filter(({ instance }) => instance === instanceId);
    },

    /** Names of all control queues. */
    queues: async (): Promise<string[]> =>
      queues
        .parse(await get(`queues/${vhost}?columns=name`))
        .map(({ name }) => name)
        .filter((name) => name.startsWith('instance.')),

    /** Routing keys by which `agents.direct` reaches the queue. */
    keysOf: async (queue: string): Promise<string[]> =>
      bindings
        .parse(await get(`queues/${vhost}/${queue}/bindings`))
        .filter(({ source }) => source === 'agents.direct')
        .map(({ routing_key: key }) => key)
        .toSorted(),

    /** Of a queue that is there. */
    untilListening: (queue: string): Promise<void> =>
      vi.waitFor(
        async () => {
          const { consumerCount } = await rig.bus.channel.checkQueue(queue);
          if (consumerCount === 0) throw new Error(`nobody listens on ${queue}`);
        },
        { timeout: 30_000 },
      ),

    /** Everything that is published to `agents.direct` with this key from now on. */
    tap: async (routingKey: string): Promise<ConsumeMessage[]> => {
      const { channel } = rig.bus;
      const seen: ConsumeMessage[] = [];
      const { queue } = await channel.assertQueue('', { exclusive: true });
      await channel.bindQueue(queue, 'agents.direct', routingKey);
      await channel.consume(queue, (message) => void (message && seen.push(message)), { noAck: true });
      return seen;
    },
  };
}
