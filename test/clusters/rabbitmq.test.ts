import { connect } from 'amqplib';
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest';
import { assertTopology } from '../../bridge/bus/topology.ts';
import { controlQueueName } from '../../contracts/names.ts';
import { topology } from '../../contracts/topology.ts';
import { startRabbitmqCluster, type ClusterNode, type RabbitmqCluster } from '../support/clusters/rabbitmq-cluster.ts';
import { openScene, type Scene } from '../support/clusters/rabbitmq-scene.ts';
import { processNames } from '../support/clusters/processes.ts';
import { killAgent } from '../support/process-agents.ts';
import { useOpened } from '../support/use-opened.ts';

const program = inject('rabbitmqProgram');

describe.skipIf(program === null)('RabbitMQ as a cluster of three nodes', () => {
  const cluster: RabbitmqCluster = useOpened(
    async () => {
      if (!program) throw new Error('there is no program of RabbitMQ');
      return startRabbitmqCluster(program);
    },
    (opened) => opened.stop(),
  );

  async function open(): Promise<Scene> {
    const scene = await openScene(cluster);
    onTestFinished(async () => {
      // Every node is there again before the virtual host is removed.
      for (const node of cluster.nodes) node.resume();
      await Promise.all(cluster.nodes.map((node) => node.start()));
      await scene.close();
    }, 300_000);
    return scene;
  }

  const enoughEvents = 250;
  const untilEnough = (scene: Scene): Promise<unknown> =>
    vi.waitUntil(async () => (await scene.countEvents()) >= enoughEvents, { timeout: 60_000, interval: 500 });

  const untilAllOnline = (scene: Scene): Promise<void> =>
    vi.waitFor(
      async () => {
        for (const { name, online } of await scene.catalogQueues(cluster.nodes[0])) {
          expect(online?.toSorted(), `members of ${name}`).toEqual(cluster.nodes.map((node) => node.name).toSorted());
        }
      },
      { timeout: 60_000, interval: 250 },
    );

  async function report(scene: Scene, what: string): Promise<{ events: number }> {
    const { events, copies, gaps } = await scene.expectNothingLostOrDoubled();
    const seconds = Object.entries(gaps).map(([name, ms]) => `${name} ${(ms / 1_000).toFixed(1)} s`);
    process.stdout.write(
      `RabbitMQ: ${what}: ${events} events, ${copies} published twice; longest time without one: ${seconds.join(', ')}\n`,
    );
    return { events };
  }

  const killed = {
    name: 'is killed',
    begin: (node: ClusterNode) => node.kill(),
    end: (node: ClusterNode) => node.start(),
  };
  const faults = [
    killed,
    {
      name: 'hangs',
      begin: async (node: ClusterNode) => node.pause(),
      end: async (node: ClusterNode) => node.resume(),
    },
    {
      name: 'is cut off from the others',
      begin: (node: ClusterNode) => node.cutOff(),
      end: (node: ClusterNode) => node.join(),
    },
  ];

  test('each queue of the catalog has a member on every node, and a node without members gets them by grow', async () => {
    const [one, , three] = cluster.nodes;
    const connection = await connect(one.amqpUrl);
    onTestFinished(() => connection.close());
    await assertTopology(await connection.createChannel(), 'event_broker');
    const membersOf = async (): Promise<number[]> => {
      const answer = await one.management('GET', 'queues/%2F?disable_stats=true&enable_queue_totals=true');
      const listed = (await answer.json()) as { name: string; members?: string[] }[];
      return topology.queues.map(({ name }) => listed.find((queue) => queue.name === name)?.members?.length ?? 0);
    };
    const all = (count: number): number[] => topology.queues.map(() => count);
    await vi.waitFor(async () => expect(await membersOf()).toEqual(all(3)));
    await three.shrink();
    await vi.waitFor(async () => expect(await membersOf()).toEqual(all(2)));
    await three.grow();
    await vi.waitFor(async () => expect(await membersOf()).toEqual(all(3)));
  }, 120_000);

  const leaderOfQueues = { of: 'leader of the queues', find: async (scene: Scene) => (await scene.leader()).leader };
  const nodeOfLiveUpdates = { of: 'node of the live updates', find: (scene: Scene) => scene.nodeOfReplica() };

  test.each([...faults.map((fault) => ({ ...fault, ...leaderOfQueues })), { ...killed, ...nodeOfLiveUpdates }])(
    'while the $of $name, everything goes on, and nothing is lost or doubled',
    async ({ of, find, name, begin, end }) => {
      const scene = await open();
      await scene.untilWorking();
      await untilAllOnline(scene);
      const node = await find(scene);
      const other = cluster.nodes.find((each) => each !== node) ?? node;
      await begin(node);
      await scene.untilWorking();
      const leaders = (await scene.catalogQueues(other)).map((queue) => queue.leader);
      expect(leaders).not.toContain(node.name);
      // Without the node, all that the engine does goes on, and the processes say so.
      await scene.processes.untilReady();
      await scene.untilWorking();
      await end(node);
      await untilAllOnline(scene);
      await scene.untilWorking();
      await untilEnough(scene);
      expect((await report(scene, `the ${of} ${name}`)).events).toBeGreaterThanOrEqual(enoughEvents);
    },
    420_000,
  );

  test('while two of three nodes are away nothing is confirmed, every process says so, and then all goes on', async () => {
    const scene = await open();
    await scene.untilWorking();
    const { leader, others } = await scene.leader();
    const lost = [leader, others[0]];
    await Promise.all(lost.map((node) => node.kill()));
    for (const name of processNames) {
      await vi.waitFor(
        async () => expect(await scene.processes.readiness(name), `/ready of ${name}`).toMatchObject({ status: 503 }),
        {
          timeout: 60_000,
          interval: 100,
        },
      );
    }
    const published = await scene.countPublished();
    const unpublished = await scene.countUnpublished();
    await vi.waitUntil(async () => (await scene.countUnpublished()) >= unpublished + 20, { timeout: 60_000 });
    expect(await scene.countPublished()).toBe(published);
    for (const name of processNames) expect(await scene.processes.readiness(name)).toMatchObject({ status: 503 });
    await Promise.all(lost.map((node) => node.start()));
    await scene.untilWorking();
    await scene.processes.untilReady();
    await untilAllOnline(scene);
    await untilEnough(scene);
    expect((await report(scene, 'two of three nodes are killed')).events).toBeGreaterThanOrEqual(enoughEvents);
  }, 420_000);

  test('an agent that listens starts although the node of its control queue is away', async () => {
    const scene = await open();
    const { rig } = scene;
    const restart = { policy: 'always', backoff_seconds: 0 };
    const id = await rig.insertInstance(await rig.publishAgent({ control: true, restart }));
    const isRunning = { timeout: 60_000, interval: 100 };
    await vi.waitFor(async () => expect(await rig.processes(id)).toHaveLength(1), isRunning);
    const virtualHost = new URL(rig.environment.AMQP_URL).pathname.slice(1);
    const answer = await cluster.nodes[0].management('GET', `queues/${virtualHost}/${controlQueueName(id)}`);
    const { node } = (await answer.json()) as { node: string };
    await cluster.node(node).kill();
    const [before] = await rig.processes(id);
    await killAgent(id);
    await vi.waitFor(async () => {
      const after = await rig.processes(id);
      expect(after).toHaveLength(1);
      expect(after).not.toEqual([before]);
    }, isRunning);
    await rig.deleteInstance(id);
  }, 240_000);
});
