import { resolve } from 'node:path';
import { endRecorded } from './process-reference.ts';
import { endContainer } from './rabbitmq-container.ts';
import { endNode } from './rabbitmq-node.ts';

/** Ends the servers that a crashed host left running on this folder. */
export async function endLeftServers(directory: string): Promise<void> {
  await Promise.all([
    endRecorded(resolve(directory, 'postgres', 'process.json'), { signal: 'SIGINT' }),
    endNode(directory).then(() => endContainer(directory)),
    endRecorded(resolve(directory, 'temporal', 'process.json')),
  ]);
}
