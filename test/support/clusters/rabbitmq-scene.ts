import { randomUUID } from 'node:crypto';
import { connect, type ChannelModel } from 'amqplib';
import { expect, inject, vi } from 'vitest';
import { exchangeNames, replicaQueueName } from '../../../contracts/names.ts';
import { deadLetterQueueNames, domainQueueNames } from '../../../contracts/topology.ts';
import { openRig } from '../rig.ts';
import { signToken } from '../tokens.ts';
import { expectEffectsOnce, longestGapMs, publishLoadAgent, readLog, readTimes } from './comparison.ts';
import { startLoad } from './load.ts';
import { startProcesses } from './processes.ts';
import type { ClusterNode, RabbitmqCluster } from './rabbitmq-cluster.ts';
import { watchUpdates } from './watcher.ts';

export type Scene = Awaited<ReturnType<typeof openScene>>;

const witness = 'test.witness';
const ofCatalog: readonly string[] = [...domainQueueNames, ...deadLetterQueueNames];

interface ListedQueue {
  name: string;
  /** Of a classic queue, the only one. */
  node?: string;
  leader?: string;
  members?: string[];
  online?: string[];
}

/** The engine's processes on a virtual host of the cluster, which know all of its nodes, under a load. */
export async function openScene(cluster: RabbitmqCluster) {
  const [{ amqpUrl, managementUrl }] = cluster.nodes;
  const rig = await openRig({ servers: { ...inject('servers'), amqpUrl, managementUrl } });
  const processes = await startProcesses(rig, ({ AMQP_URL = '', ...settings }) => ({
    ...settings,
    AMQP_URL: cluster.withAllHosts(AMQP_URL),
  }));
  const virtualHost = new URL(rig.environment.AMQP_URL).pathname.slice(1);
  // It watches the bus over a classic queue, whose node must not be away.
  await rig.bus.close();
  const close = async (): Promise<void> => {
    await processes.stop();
    await rig.close();
  };
  try {
    await processes.untilReady();
    // A quorum queue that nobody consumes holds a copy of every message, also of one that was published twice.
    await withConnection(rig.environment.AMQP_URL, async (connection) => {
      const channel = await connection.createChannel();
      await channel.assertQueue(witness, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
      await channel.bindQueue(witness, exchangeNames.events, '#');
    });
  } catch (error) {
    await close();
    throw error;
  }
  const userId = randomUUID();
  const token = await signToken({ userId });
  const watcher = await watchUpdates({ url: processes.userBackendUrl, token });
  const load = startLoad({ pool: rig.pool, agentId: await publishLoadAgent(rig), userId });
  const begunAt = Date.now();

  const queues = async (node: ClusterNode): Promise<ListedQueue[]> => {
    const answer = await node.management('GET', `queues/${virtualHost}`);
    return (await answer.json()) as ListedQueue[];
  };
  return {
    rig,
    load,
    processes,
    watcher,
    /** The node with the queue of the replica of user_backend. */
    nodeOfReplica: async (): Promise<ClusterNode> => {
      const listed = await queues(cluster.nodes[0]);
      const queue = listed.find(({ name }) => name.startsWith(replicaQueueName('')));
      return cluster.node(queue?.leader ?? queue?.node ?? '');
    },
    /** The queues of the catalog, as a node lists them. */
    catalogQueues: async (node: ClusterNode) => (await queues(node)).filter(({ name }) => ofCatalog.includes(name)),
    /** The node that leads most quorum queues, and the others. */
    leader: async (): Promise<{ leader: ClusterNode; others: [ClusterNode, ClusterNode] }> => {
      const listed = await queues(cluster.nodes[0]);
      const ours = listed.filter(({ name }) => ofCatalog.includes(name));
      const countOf = ({ name }: ClusterNode): number => ours.filter(({ leader }) => leader === name).length;
      const [leader, second, third] = cluster.nodes.toSorted((a, b) => countOf(b) - countOf(a));
      if (!leader || !second || !third || countOf(leader) === 0) throw new Error('no node leads a queue');
      return { leader, others: [second, third] };
    },
    /** Waits until a new instance runs, and the event of that is confirmed, in the audit log and pushed to the user. */
    untilWorking: async (timeoutMs = 120_000): Promise<void> => {
      const id = await load.keep();
      await vi.waitFor(
        async () => {
          const { rows } = await rig.pool.query<{ event_id: string }>(
            `select l.event_id from audit_log l join event_log e using (event_id)
             where l.instance_id = $1 and l.body::jsonb->>'status' = 'running' and e.published_at is not null`,
            [id],
          );
          expect(watcher.events.map(({ event_id: eventId }) => eventId)).toContain(rows[0]?.event_id);
        },
        { timeout: timeoutMs, interval: 100 },
      );
    },
    countEvents: async (): Promise<number> => (await readLog(rig)).length,
    countPublished: async (): Promise<number> => (await readTimes(rig)).published.length,
    countUnpublished: async (): Promise<number> => {
      const { rows } = await rig.pool.query<{ count: number }>(
        'select count(*)::int as count from event_log where published_at is null',
      );
      return rows[0]?.count ?? 0;
    },
    /**
     * Ends the load, and expects that nothing was lost or had its effect twice, and that nothing is left in a queue.
     *
     * @returns the number of events, and in milliseconds how long none arrived
     */
    expectNothingLostOrDoubled: async () => {
      await load.stop();
      const endedAt = Date.now();
      const { events } = await expectEffectsOnce({ rig, load, userId, watcher, processes });
      expect(load.failedWrites).toBe(0);
      const copies = await withConnection(rig.environment.AMQP_URL, async (connection) => {
        const channel = await connection.createChannel();
        for (const queue of ofCatalog) {
          expect(await channel.checkQueue(queue), `messages of ${queue}`).toMatchObject({ messageCount: 0 });
        }
        return takeAll(connection);
      });
      expect([...new Set(copies)].toSorted()).toEqual(await readLog(rig));
      const { published, recorded } = await readTimes(rig);
      const gapOf = (times: readonly number[]): number =>
        longestGapMs(times.filter((time) => time >= begunAt && time <= endedAt));
      return {
        events,
        copies: copies.length - events,
        gaps: {
          published: gapOf(published),
          recorded: gapOf(recorded),
          pushed: gapOf(watcher.events.map(({ at }) => at)),
        },
      };
    },
    close: async (): Promise<void> => {
      await load.stop();
      await watcher.close();
      await close();
    },
  };
}

/** The ids of all messages of the witness. */
async function takeAll(connection: ChannelModel): Promise<string[]> {
  const channel = await connection.createChannel();
  const { messageCount } = await channel.checkQueue(witness);
  const ids: string[] = [];
  await channel.consume(witness, (message) => void ids.push(String(message?.properties.messageId)), { noAck: true });
  await vi.waitFor(() => expect(ids.length).toBeGreaterThanOrEqual(messageCount));
  return ids;
}

async function withConnection<T>(amqpUrl: string, use: (connection: ChannelModel) => Promise<T>): Promise<T> {
  const connection = await connect(amqpUrl);
  connection.on('error', () => undefined);
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}
