import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { FoundRabbitmq } from '../../stack/rabbitmq-find.ts';

const execute = promisify(execFile);

export interface ControlledNode {
  /** The folder of the stack that the node is a part of. */
  directory: string;
  found: FoundRabbitmq;
  epmdPort: number;
  nodeName?: string;
}

/** Runs a tool of RabbitMQ where the node runs. @returns what it printed */
export async function controlRabbitmq(
  node: ControlledNode,
  args: readonly string[],
  tool: 'rabbitmqctl' | 'rabbitmq-queues' = 'rabbitmqctl',
): Promise<string> {
  const [program = '', ...rest] = commandOf(node, [tool, '--node', node.nodeName ?? ownNodeName, ...args]);
  return (await execute(program, rest)).stdout;
}

/** The name that a node has when it is no member of a cluster. */
const ownNodeName = 'instance-engine@localhost';

function commandOf({ directory, found, epmdPort }: ControlledNode, [tool = '', ...args]: readonly string[]): string[] {
  if (found.kind === 'container') {
    const container = readFileSync(join(directory, 'rabbitmq', 'container'), 'utf8');
    return ['docker', 'exec', container, tool, ...args];
  }
  const { system } = found;
  return [
    ...(system === undefined ? [] : [...system.enter, directory]),
    'env',
    `HOME=${join(system?.directory ?? directory, 'rabbitmq')}`,
    `ERL_EPMD_PORT=${epmdPort}`,
    join(dirname(found.executable), tool),
    ...args,
  ];
}
