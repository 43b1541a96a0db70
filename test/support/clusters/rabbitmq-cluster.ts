import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { endEpmd } from '../../../stack/epmd.ts';
import { newSecret } from '../../../stack/kept-secret.ts';
import { stackRoot } from '../../../stack/paths.ts';
import { choosePorts, type Ports } from '../../../stack/ports.ts';
import { isRunning, readReference } from '../../../stack/process-reference.ts';
import { administrator, ensureOwnLogin } from '../../../stack/rabbitmq-login.ts';
import { runNode } from '../../../stack/rabbitmq-node.ts';
import type { RunningServer } from '../../../stack/server.ts';
import { resetStack } from '../../../stack/stack.ts';
import { managementApi } from '../management.ts';
import { controlRabbitmq } from '../rabbitmq-control.ts';
import type { RabbitmqProgram } from './rabbitmq-program.ts';

export type RabbitmqCluster = Awaited<ReturnType<typeof startRabbitmqCluster>>;
export type ClusterNode = RabbitmqCluster['nodes'][number];

const names = ['one@localhost', 'two@localhost', 'three@localhost'] as const;

/** Three nodes of RabbitMQ on this machine as one cluster, each of which can be killed, stopped for a while and cut off alone. */
export async function startRabbitmqCluster(found: RabbitmqProgram) {
  const root = join(stackRoot, 'test-rabbitmq-cluster');
  await removeNodes(root);
  const login = { user: administrator, password: newSecret() };
  const cookie = newSecret().replaceAll(/[^a-zA-Z0-9]/g, 'x');
  const { epmd } = await choosePorts('free');
  const [one, two, three] = names;
  const nodes = await Promise.all([defineNode(one), defineNode(two), defineNode(three)]);

  async function defineNode(name: string) {
    const directory = directoryOf(root, name);
    const folder = join(directory, 'rabbitmq');
    mkdirSync(folder, { recursive: true });
    const ports: Ports = { ...(await choosePorts('free')), epmd };
    const managementUrl = `http://127.0.0.1:${ports.management}`;
    const amqpUrl = `amqp://${login.user}:${login.password}@127.0.0.1:${ports.amqp}`;
    let server: RunningServer | undefined;
    const signal = (which: 'SIGSTOP' | 'SIGCONT'): void => {
      const reference = readReference(join(folder, 'process.json'));
      if (reference && isRunning(reference)) process.kill(reference.pid, which);
    };
    const controlled = { directory, found, epmdPort: epmd, nodeName: name };
    const control = (...args: string[]): Promise<string> => controlRabbitmq(controlled, args);
    /** The other nodes get to know another cookie for this one, so that neither side can connect to the other. */
    const setCookie = (expression: string): Promise<string> =>
      control('eval', `[begin ${expression} end || N <- [${quoted(names.filter((other) => other !== name))}]].`);
    return {
      name,
      amqpUrl,
      /** `host:port` */
      host: new URL(amqpUrl).host,
      managementUrl,
      management: managementApi(managementUrl, amqpUrl),
      /** Gives every quorum queue a member on this node, as for a node that has joined. */
      grow: () => controlRabbitmq(controlled, ['grow', name, 'all'], 'rabbitmq-queues'),
      /** Takes the members from this node. */
      shrink: () => controlRabbitmq(controlled, ['shrink', name], 'rabbitmq-queues'),
      start: async (): Promise<void> => {
        if (server?.isRunning()) return;
        server = await runNode({
          ...found,
          folder,
          ports,
          login,
          member: { name, names, cookie },
          probe: async () => void (await ensureOwnLogin({ ...login, port: ports.amqp, managementUrl })),
          onProgress: () => undefined,
        });
      },
      /** kill -9 */
      kill: async (): Promise<void> => server?.kill(),
      stop: async (): Promise<void> => server?.stop(),
      /** SIGSTOP: connections stay open, and nothing answers any more. */
      pause: (): void => signal('SIGSTOP'),
      resume: (): void => signal('SIGCONT'),
      /** Ends its connections to the other nodes, which cannot be made again until `join`. Clients still reach it. */
      cutOff: () => setCookie(`erlang:set_cookie(N, cut_off), erlang:disconnect_node(N)`),
      join: () => setCookie(`erlang:set_cookie(N, erlang:get_cookie())`),
    };
  }

  const cluster = {
    nodes,
    /** The same URL with the hosts of all nodes. */
    withAllHosts: (amqpUrl: string): string =>
      amqpUrl.replace(new URL(amqpUrl).host, nodes.map(({ host }) => host).join(',')),
    node: (name: string) => {
      const member = nodes.find((each) => each.name === name);
      if (!member) throw new Error(`there is no node ${name}`);
      return member;
    },
    stop: async (): Promise<void> => {
      for (const node of nodes) node.resume();
      await Promise.all(nodes.map((node) => node.stop()));
      await endEpmd(epmd);
      await removeNodes(root);
    },
  };
  try {
    await Promise.all(nodes.map((node) => node.start()));
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

function directoryOf(root: string, name: string): string {
  return join(root, name.replace(/@.*/, ''));
}

/** Also ends nodes that an earlier run left behind. */
async function removeNodes(root: string): Promise<void> {
  for (const name of names) await resetStack(directoryOf(root, name));
  rmSync(root, { recursive: true, force: true });
}

/** Atoms of Erlang, separated by commas. */
function quoted(atoms: readonly string[]): string {
  return atoms.map((atom) => `'${atom}'`).join(', ');
}
