import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { endEpmd } from './epmd.ts';
import { endProcess, endRecorded, isRunning } from './process-reference.ts';
import { defaultLogin } from './rabbitmq-login.ts';
import type { FoundRabbitmq } from './rabbitmq-find.ts';
import type { RabbitmqLaunch, RabbitmqLaunchOptions } from './rabbitmq-launch.ts';
import { logFileOf } from './server-log.ts';
import { spawnServer } from './server.ts';

/**
 * Starts a private node: name, data, cookie, ports and port mapper of its own, so that a node of the machine is not touched.
 * Variables: https://www.rabbitmq.com/docs/configure#supported-environment-variables
 */
export async function startNode({
  directory,
  executable,
  system,
  port,
  managementPort,
  epmdPort,
  distributionPort,
  login,
}: RabbitmqLaunchOptions & Extract<FoundRabbitmq, { kind: 'node' }>): Promise<RabbitmqLaunch> {
  const { folder, recordFile, epmdFile } = filesOf(directory);
  mkdirSync(join(folder, 'settings'), { recursive: true });
  // Names of these folders as the node sees them.
  const seen = system?.directory ?? resolve(directory);
  const seenFolder = join(seen, 'rabbitmq');
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, 'settings', name), text, { mode: 0o600 });
    return join(seenFolder, 'settings', name);
  };
  const configuration = [
    `listeners.tcp.local = 127.0.0.1:${port}`,
    'management.tcp.ip = 127.0.0.1',
    `management.tcp.port = ${managementPort}`,
    ...defaultLogin(login),
    '',
  ];
  const variables = {
    HOME: seenFolder,
    ERL_EPMD_PORT: epmdPort,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_CRASH_DUMP: join(seenFolder, 'erl_crash.dump'),
    RABBITMQ_NODENAME: 'instance-engine@localhost',
    RABBITMQ_DIST_PORT: distributionPort,
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
  writeFileSync(epmdFile, String(epmdPort));
  const [command, ...args] = [
    ...(system === undefined ? [] : [...system.enter, resolve(directory)]),
    'env',
    ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
    executable,
  ];
  const reference = await spawnServer({
    command,
    args,
    cwd: folder,
    logFile: logFileOf(directory, 'rabbitmq'),
    recordFile,
  });
  const end = (signal: NodeJS.Signals) => async () => {
    await endProcess(reference, { signal });
    await endEpmd(epmdPort);
  };
  return { reference, isRunning: () => isRunning(reference), stop: end('SIGTERM'), kill: end('SIGKILL') };
}

/** Ends the node, and its port mapper, that an earlier run left behind. */
export async function endNode(directory: string): Promise<void> {
  const { recordFile, epmdFile } = filesOf(directory);
  await endRecorded(recordFile);
  const epmdPort = readPort(epmdFile);
  if (epmdPort !== undefined) await endEpmd(epmdPort);
  rmSync(epmdFile, { force: true });
}

function filesOf(directory: string): { folder: string; recordFile: string; epmdFile: string } {
  const folder = resolve(directory, 'rabbitmq');
  return { folder, recordFile: join(folder, 'process.json'), epmdFile: join(folder, 'epmd.port') };
}

function readPort(file: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(file, 'utf8'), 10) || undefined;
  } catch {
    return undefined;
  }
}
