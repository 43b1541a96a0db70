import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { runCommand, withProgress } from './command.ts';
import { isRunning } from './process-reference.ts';
import type { RabbitmqLogin } from './rabbitmq-login.ts';
import type { RabbitmqLaunch, RabbitmqLaunchOptions } from './rabbitmq-launch.ts';
import { logFileOf } from './server-log.ts';
import { type Progress, spawnServer } from './server.ts';
import { until } from './until.ts';

const image = 'rabbitmq:4-management';

/** Starts the broker in a container whose name and volume derive from the folder, so that a later run finds both. */
export async function startContainer({
  directory,
  port,
  managementPort,
  login,
  onProgress,
  signal,
}: RabbitmqLaunchOptions): Promise<RabbitmqLaunch> {
  const name = containerNameOf(directory);
  const folder = resolve(directory, 'rabbitmq');
  mkdirSync(folder, { recursive: true });
  await pullImage({ onProgress, signal });
  writeFileSync(markerOf(directory), name);
  const reference = await spawnServer({
    command: 'docker',
    args: containerArguments({ name, port, managementPort, environmentFile: writeEnvironment(folder, login) }),
    cwd: folder,
    logFile: logFileOf(directory, 'rabbitmq'),
    recordFile: join(folder, 'container-client.json'),
  });
  return {
    reference,
    isRunning: () => isRunning(reference),
    stop: () => removeContainer(name, ['stop', '-t', '30']),
    kill: () => removeContainer(name, ['kill']),
  };
}

/** Nothing happens when the engine has it already. */
export async function pullImage({
  onProgress,
  signal,
}: {
  onProgress: Progress;
  signal: AbortSignal | undefined;
}): Promise<void> {
  const present = await runCommand('docker', ['image', 'inspect', image]).then(
    () => true,
    () => false,
  );
  if (present) return;
  await withProgress(`RabbitMQ: pulling the image ${image} …`, onProgress, () =>
    runCommand('docker', ['pull', '-q', image], { signal }),
  );
}

/** For `docker run`: ports on 127.0.0.1 alone, and a fixed host name, since the node's data folder is named after it. */
export function containerArguments({
  name,
  port,
  managementPort,
  environmentFile,
}: {
  name: string;
  port: number;
  managementPort: number;
  /** Holds the login: on the command line every user could read it. */
  environmentFile: string;
}): string[] {
  return [
    'run',
    '--rm',
    `--name=${name}`,
    '--hostname=instance-engine',
    `--publish=127.0.0.1:${port}:5672`,
    `--publish=127.0.0.1:${managementPort}:15672`,
    `--env-file=${environmentFile}`,
    `--volume=${name}:/var/lib/rabbitmq`,
    image,
  ];
}

/** https://www.rabbitmq.com/docs/configure#supported-environment-variables */
function writeEnvironment(folder: string, { user, password }: RabbitmqLogin): string {
  const file = join(folder, 'container.env');
  writeFileSync(file, `RABBITMQ_DEFAULT_USER=${user}\nRABBITMQ_DEFAULT_PASS=${password}\n`, { mode: 0o600 });
  return file;
}

/** Ends a container that an earlier run left behind; `withData` removes its volume too. */
export async function endContainer(directory: string, { withData = false } = {}): Promise<void> {
  const marker = markerOf(directory);
  if (!existsSync(marker)) return;
  const name = readFileSync(marker, 'utf8');
  await removeContainer(name, ['stop', '-t', '30']);
  if (!withData) return;
  await runCommand('docker', ['volume', 'rm', '--force', name]);
  rmSync(marker);
}

async function removeContainer(name: string, end: string[]): Promise<void> {
  const isGone = async (): Promise<boolean> =>
    (await runCommand('docker', ['ps', '-aq', '--filter', `name=^${name}$`])).trim() === '';
  if (await isGone()) return;
  await runCommand('docker', [...end, name]).catch(() => {}); // it may be ending by itself
  // The engine removes it because of `--rm`, a moment after it has ended.
  if (!(await until(isGone, 10_000))) await runCommand('docker', ['rm', '--force', name]);
}

function containerNameOf(directory: string): string {
  return `instance-engine-${createHash('sha256').update(resolve(directory)).digest('hex').slice(0, 12)}`;
}

function markerOf(directory: string): string {
  return resolve(directory, 'rabbitmq', 'container');
}
