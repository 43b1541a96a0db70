import { join, resolve } from 'node:path';

import { closedFolder } from './closed-folder.ts';
import type { Found } from './find-first.ts';
import { keptSecret } from './kept-secret.ts';
import { administrator, ensureOwnLogin } from './rabbitmq-login.ts';
import { endContainer, startContainer } from './rabbitmq-container.ts';
import { findRabbitmq, type FoundRabbitmq } from './rabbitmq-find.ts';
import type { RabbitmqLaunchOptions } from './rabbitmq-launch.ts';
import { endNode, startNode } from './rabbitmq-node.ts';
import { logFileOf } from './server-log.ts';
import { type Progress, type Server, untilReady } from './server.ts';

export interface RabbitmqOptions extends Omit<RabbitmqLaunchOptions, 'login' | 'onProgress'> {
  /** The broker to run; the first that `findRabbitmq` finds by default. */
  broker?: Found<FoundRabbitmq>;
  onProgress?: Progress;
}

export interface RabbitmqServer extends Server {
  url: string;
  managementUrl: string;
  passwordFile: string;
}

/** Runs a broker of the project's own, with the management plugin and a password of its own, on 127.0.0.1 alone. */
export async function startRabbitmq(options: RabbitmqOptions): Promise<RabbitmqServer> {
  const { directory, port, managementPort, broker, onProgress = () => {}, signal } = options;
  await endLeftRabbitmq(directory);
  const { way, found } = broker ?? (await findRabbitmq({ onProgress }));
  const folder = closedFolder(resolve(directory, 'rabbitmq'));
  const passwordFile = join(folder, 'password');
  const login = { user: administrator, password: await keptSecret(passwordFile) };
  const launchOptions = { ...options, login, onProgress };
  const launch = await (found.kind === 'node'
    ? startNode({ ...launchOptions, ...found })
    : startContainer(launchOptions));
  const managementUrl = `http://127.0.0.1:${managementPort}`;
  let url = '';
  await untilReady({
    name: 'RabbitMQ',
    reference: launch.reference,
    logFile: logFileOf(directory, 'rabbitmq'),
    signal,
    probe: async () => {
      url = await ensureOwnLogin({ ...login, port, managementUrl });
    },
  });
  return { way, url, managementUrl, passwordFile, ...launch };
}

/** Ends a broker that an earlier run left behind. */
export async function endLeftRabbitmq(directory: string): Promise<void> {
  await endNode(directory);
  await endContainer(directory);
}
