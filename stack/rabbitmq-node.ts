import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { endEpmd } from './epmd.ts';
import { endRecorded } from './process-reference.ts';
import type { FoundRabbitmq } from './rabbitmq-find.ts';
import type { RabbitmqLaunchOptions } from './rabbitmq-launch.ts';
import { runServer, type RunningServer } from './server.ts';

/** What makes a node a member of a cluster on this machine, whose nodes share a port mapper. */
export interface ClusterMember {
  /** Name of this node, such as `one@localhost`. */
  name: string;
  /** The names of all nodes, this one included. */
  names: readonly string[];
  /** Secret by which the nodes know each other. */
  cookie: string;
}

/**
 * Runs a private node: name, data, cookie, ports and port mapper of its own, so that a node of the machine is not touched.
 * Variables: https://www.rabbitmq.com/docs/configure#supported-environment-variables
 */
export async function runNode(
  options: RabbitmqLaunchOptions & Extract<FoundRabbitmq, { kind: 'node' }> & { member?: ClusterMember },
): Promise<RunningServer> {
  const { folder, executable, system, ports, login, probe, member, signal } = options;
  mkdirSync(join(folder, 'settings'), { recursive: true });
  // Names of these folders as the node sees them.
  const seen = system?.directory ?? dirname(folder);
  const seenFolder = join(seen, 'rabbitmq');
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, 'settings', name), text, { mode: 0o600 });
    return join(seenFolder, 'settings', name);
  };
  // https://www.rabbitmq.com/docs/configure#config-items
  const configuration = [
    `listeners.tcp.local = 127.0.0.1:${ports.amqp}`,
    'management.tcp.ip = 127.0.0.1',
    `management.tcp.port = ${ports.management}`,
    `default_user = ${login.user}`,
    `default_pass = ${login.password}`,
    ...(member === undefined ? [] : clusterConfiguration(member)),
    '',
  ];
  if (member !== undefined) writeCookie(join(folder, '.erlang.cookie'), member.cookie);
  const variables = {
    HOME: seenFolder,
    ERL_EPMD_PORT: ports.epmd,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_CRASH_DUMP: join(seenFolder, 'erl_crash.dump'),
    RABBITMQ_NODENAME: member?.name ?? 'instance-engine@localhost',
    RABBITMQ_DIST_PORT: ports.distribution,
    RABBITMQ_MNESIA_BASE: join(seenFolder, 'data'),
    RABBITMQ_LOG_BASE: join(seen, 'logs'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_PID_FILE: join(seenFolder, 'node.pid'),
    RABBITMQ_CONFIG_FILE: write('rabbitmq.conf', configuration.join('\n')),
    RABBITMQ_ENABLED_PLUGINS_FILE: write('enabled_plugins', '[rabbitmq_management].\n'),
    // Without these the node would read the files that the machine has in /etc/rabbitmq.
    RABBITMQ_CONF_ENV_FILE: write('rabbitmq-env.conf', ''),
    RABBITMQ_ADVANCED_CONFIG_FILE: write('advanced.config', '[].\n'),
    RABBITMQ_CONFIG_FILES: join(seenFolder, 'settings', 'conf.d'),
    // Its schedulers sleep while they wait, because the machine is shared with all other servers.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      '-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none',
    // Makes the script become the node, so that the process id of the script is that of the node.
    RUNNING_UNDER_SYSTEMD: 'true',
  };
  writeFileSync(join(folder, epmdFile), String(ports.epmd));
  const [command, ...args] = [
    ...(system === undefined ? [] : [...system.enter, dirname(folder)]),
    'env',
    ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
    executable,
  ];
  const node = await runServer({ name: 'RabbitMQ', folder, command, args, probe, signal });
  // The other nodes of a cluster need the port mapper.
  if (member !== undefined) return node;
  const withEpmd = (end: () => Promise<void>) => async () => {
    await end();
    await endEpmd(ports.epmd);
  };
  return { ...node, stop: withEpmd(node.stop), kill: withEpmd(node.kill) };
}

/** https://www.rabbitmq.com/docs/cluster-formation#peer-discovery-classic-config */
function clusterConfiguration({ names }: ClusterMember): string[] {
  return [
    'cluster_formation.peer_discovery_backend = classic_config',
    ...names.map((name, index) => `cluster_formation.classic_config.nodes.${index + 1} = ${name}`),
  ];
}

/** Erlang refuses a file that others may read: https://www.rabbitmq.com/docs/clustering#erlang-cookie */
function writeCookie(file: string, cookie: string): void {
  rmSync(file, { force: true });
  writeFileSync(file, cookie, { mode: 0o400 });
}

/** Holds the port of the node's port mapper. */
const epmdFile = 'epmd.port';

/** Ends the node, and its port mapper, that an earlier run left behind. */
export async function endNode(directory: string): Promise<void> {
  const folder = resolve(directory, 'rabbitmq');
  await endRecorded(join(folder, 'process.json'));
  const file = join(folder, epmdFile);
  const epmdPort = existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : 0;
  if (epmdPort > 0) await endEpmd(epmdPort);
  rmSync(file, { force: true });
}
