import { join, resolve } from 'node:path';

import { closedFolder } from './closed-folder.ts';
import { keptSecret } from './kept-secret.ts';
import { administrator, ensureOwnLogin, type RabbitmqLogin } from './rabbitmq-login.ts';
import { endContainer, startContainer } from './rabbitmq-container.ts';
import { findRabbitmq, type FoundRabbitmq } from './rabbitmq-find.ts';
import { endNode, startNode } from './rabbitmq-node.ts';
import type { ProcessReference } from './process-reference.ts';
import { logFileOf } from './server-log.ts';
import { type Progress, type Server, untilReady } from './server.ts';

export interface RabbitmqOptions {
  /** The folder of the whole stack; data goes to `<directory>/rabbitmq`. */
  directory: string;
  port: number;
  managementPort: number;
  /** Where the node registers its name (Erlang's port mapper). */
  epmdPort: number;
  /** The node's own port for Erlang distribution. */
  distributionPort: number;
  /** How to come by the broker; `findRabbitmq` by default. */
  find?: (options: { onProgress: Progress; signal?: AbortSignal | undefined }) => Promise<{
    way: string;
    found: FoundRabbitmq;
  }>;
  onProgress?: Progress;
  signal?: AbortSignal;
}

export interface RabbitmqServer extends Server {
  url: string;
  managementUrl: string;
  passwordFile: string;
}

/** What a broker is started with. */
export interface RabbitmqLaunchOptions extends RabbitmqOptions {
  /** Its administrator, when its data is new. */
  login: RabbitmqLogin;
}

/** A started broker, not yet ready. */
export interface RabbitmqLaunch extends Omit<Server, 'way'> {
  reference: ProcessReference;
}

/** Runs a broker of the project's own with the management plugin, with a password of its own, on 127.0.0.1 alone. */
export async function startRabbitmq(options: RabbitmqOptions): Promise<RabbitmqServer> {
  const { directory, port, managementPort, find = findRabbitmq, onProgress = () => {}, signal } = options;
  await endLeftRabbitmq(directory);
  const { way, found } = await find({ onProgress, signal });
  const folder = closedFolder(resolve(directory, 'rabbitmq'));
  const passwordFile = join(folder, 'password');
  const login = { user: administrator, password: await keptSecret(passwordFile) };
  const launch = await (found.kind === 'node'
    ? startNode({ ...options, ...found, login })
    : startContainer({ ...options, login, onProgress }));
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
