import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { runCommand, withProgress } from './command.ts';
import type { RabbitmqLogin } from './rabbitmq-login.ts';
import type { RabbitmqLaunchOptions } from './rabbitmq-launch.ts';
import { runServer, type RunningServer } from './server.ts';
import { until } from './until.ts';

const image = 'rabbitmq:4-management';

/** Runs the broker in a container whose name and volume derive from the folder, so that a later run finds both. */
export async function runContainer(options: RabbitmqLaunchOptions): Promise<RunningServer> {
  const { folder, ports, login, onProgress, signal, probe } = options;
  const name = containerNameOf(folder);
  await pullImage({ onProgress, signal });
  writeFileSync(markerOf(folder), name);
  const client = await runServer({
    name: 'RabbitMQ',
    folder,
    command: 'docker',
    args: [
      'run',
      '--rm',
      `--name=${name}`,
      // The node's data folder is named after its host.
      '--hostname=instance-engine',
      `--publish=127.0.0.1:${ports.amqp}:5672`,
      `--publish=127.0.0.1:${ports.management}:15672`,
      `--env-file=${writeEnvironment(folder, login)}`,
      `--volume=${name}:/var/lib/rabbitmq`,
      image,
    ],
    recordName: 'container-client.json',
    probe,
    signal,
  });
  return {
    ...client,
    stop: () => removeContainer(name, ['stop', '-t', '30']),
    kill: () => removeContainer(name, ['kill']),
  };
}

/** Nothing happens when the engine has it already. */
export async function pullImage(options: Pick<RabbitmqLaunchOptions, 'onProgress' | 'signal'>): Promise<void> {
  const { onProgress, signal } = options;
  const present = await runCommand('docker', ['image', 'inspect', image]).then(
    () => true,
    () => false,
  );
  if (present) return;
  await withProgress(`RabbitMQ: pulling the image ${image} …`, onProgress, () =>
    runCommand('docker', ['pull', '-q', image], { signal }),
  );
}

/** On the command line every user could read the login: https://www.rabbitmq.com/docs/configure#supported-environment-variables */
function writeEnvironment(folder: string, { user, password }: RabbitmqLogin): string {
  const file = join(folder, 'container.env');
  writeFileSync(file, `RABBITMQ_DEFAULT_USER=${user}\nRABBITMQ_DEFAULT_PASS=${password}\n`, { mode: 0o600 });
  return file;
}

/** Ends a container that an earlier run left behind; `withData` removes its volume too. */
export async function endContainer(directory: string, { withData = false } = {}): Promise<void> {
  const marker = markerOf(resolve(directory, 'rabbitmq'));
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

function containerNameOf(folder: string): string {
  return `instance-engine-${createHash('sha256').update(dirname(folder)).digest('hex').slice(0, 12)}`;
}

function markerOf(folder: string): string {
  return join(folder, 'container');
}
