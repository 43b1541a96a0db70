import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const ip = async (command: string): Promise<void> => void (await execute('ip', command.split(' ')));

export interface NetworkNamespace {
  /** What goes before a command that is to run inside. */
  prefix: readonly string[];
  /** The address at which this process is reached from inside. */
  gateway: string;
  /** Drops every packet in both directions, until `connect`. */
  disconnect(): Promise<void>;
  connect(): Promise<void>;
  remove(): Promise<void>;
}

/** Whether this user may make network namespaces. */
export async function canMakeNamespaces(): Promise<boolean> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const name = `probe${randomInt(1_000_000)}`;
  try {
    await ip(`netns add ${name}`);
    await ip(`netns delete ${name}`);
    return true;
  } catch {
    return false;
  }
}

/** A network of its own, with one link to this process, as another machine would have. */
export async function openNetworkNamespace(): Promise<NetworkNamespace> {
  // 10.213.0.0/16 in networks of four addresses each; a number that is taken makes `ip` fail.
  const number = randomInt(1, 16_000);
  const base = number * 4;
  const address = (offset: number): string => `10.213.${Math.floor(base / 256)}.${(base % 256) + offset}`;
  const name = `host${number}`;
  const [outside, inside] = [`ho${number}`, `hi${number}`];
  await ip(`netns add ${name}`);
  await ip(`link add ${outside} type veth peer name ${inside} netns ${name}`);
  await ip(`addr add ${address(1)}/30 dev ${outside}`);
  await ip(`link set ${outside} up`);
  await ip(`-n ${name} addr add ${address(2)}/30 dev ${inside}`);
  await ip(`-n ${name} link set lo up`);
  await ip(`-n ${name} link set ${inside} up`);
  return {
    prefix: ['ip', 'netns', 'exec', name],
    gateway: address(1),
    disconnect: () => ip(`-n ${name} link set ${inside} down`),
    connect: () => ip(`-n ${name} link set ${inside} up`),
    remove: () => ip(`netns delete ${name}`),
  };
}
