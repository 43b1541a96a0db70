import { connect } from 'amqplib';

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
}

/** A started broker, not yet ready. */
export interface RabbitmqLaunch extends Omit<Server, 'way'> {
  reference: ProcessReference;
}

/** Runs a broker of the project's own with the management plugin, as `guest`, on 127.0.0.1 alone. */
export async function startRabbitmq(options: RabbitmqOptions): Promise<RabbitmqServer> {
  const { directory, port, managementPort, find = findRabbitmq, onProgress = () => {}, signal } = options;
  await endLeftRabbitmq(directory);
  const { way, found } = await find({ onProgress, signal });
  const launch = await (found.kind === 'node'
    ? startNode({ ...options, ...found })
    : startContainer({ ...options, onProgress }));
  const url = `amqp://guest:guest@127.0.0.1:${port}`;
  const managementUrl = `http://127.0.0.1:${managementPort}`;
  await untilReady({
    name: 'RabbitMQ',
    reference: launch.reference,
    logFile: logFileOf(directory, 'rabbitmq'),
    signal,
    probe: async () => {
      await (await connect(url)).close();
      await fetch(managementUrl);
    },
  });
  return { way, url, managementUrl, ...launch };
}

/** Ends a broker that an earlier run left behind. */
export async function endLeftRabbitmq(directory: string): Promise<void> {
  await endNode(directory);
  await endContainer(directory);
}
