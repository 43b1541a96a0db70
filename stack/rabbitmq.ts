import { join, resolve } from 'node:path';
import { closedFolder } from './closed-folder.ts';
import type { Found } from './find-first.ts';
import { keptSecret } from './kept-secret.ts';
import type { Ports } from './ports.ts';
import { administrator, ensureOwnLogin } from './rabbitmq-login.ts';
import { runContainer } from './rabbitmq-container.ts';
import { findRabbitmq, type FoundRabbitmq } from './rabbitmq-find.ts';
import { runNode } from './rabbitmq-node.ts';
import type { Progress, Server } from './server.ts';

interface RabbitmqOptions {
  /** The folder of the whole stack; data goes to `<directory>/rabbitmq`. */
  directory: string;
  ports: Ports;
  /** The broker to run; the first that `findRabbitmq` finds by default. */
  broker?: Found<FoundRabbitmq> | undefined;
  onProgress?: Progress;
  signal?: AbortSignal;
}

export interface RabbitmqServer extends Server {
  url: string;
  managementUrl: string;
  passwordFile: string;
}

/** Runs a broker of the project's own, with the management plugin and a password of its own, on 127.0.0.1 alone. */
export async function startRabbitmq(options: RabbitmqOptions): Promise<RabbitmqServer> {
  const { directory, ports, broker, onProgress = () => {} } = options;
  const { way, found } = broker ?? (await findRabbitmq({ onProgress }));
  const folder = closedFolder(resolve(directory, 'rabbitmq'));
  const passwordFile = join(folder, 'password');
  const login = { user: administrator, password: await keptSecret(passwordFile) };
  const managementUrl = `http://127.0.0.1:${ports.management}`;
  let url = '';
  const probe = async (): Promise<void> => {
    url = await ensureOwnLogin({ ...login, port: ports.amqp, managementUrl });
  };
  const launch = { ...options, folder, login, probe, onProgress };
  const server = await (found.kind === 'node' ? runNode({ ...launch, ...found }) : runContainer(launch));
  return { ...server, way, url, managementUrl, passwordFile };
}
