import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findOnPath, runCommand, withProgress } from './command.ts';
import { installDebianPackage, isRootOnDebian } from './debian-package.ts';
import { findFirst, type Found, type Way } from './find-first.ts';
import type { Progress } from './server.ts';

export type FoundRabbitmq = { kind: 'node'; executable: string; system?: OtherSystem } | { kind: 'container' };

/** A system in which the executable is, other than the machine's own. */
export interface OtherSystem {
  /** Runs a command there: the folder of the stack and the command follow as further arguments. */
  enter: string[];
  /** Name of the folder of the stack there. */
  directory: string;
}

/** The executable in the Debian package. The script that Debian puts on the PATH changes the user to `rabbitmq`. */
export const packagedExecutable = '/usr/lib/rabbitmq/bin/rabbitmq-server';

/** Questions to the machine and changes of it, which tests replace. */
export interface RabbitmqFacts {
  findExecutable: () => Promise<string | undefined>;
  canInstallDebianPackage: () => Promise<boolean>;
  installDebianPackage: () => Promise<void>;
  dockerAnswers: () => Promise<boolean>;
}

/** A `rabbitmq-server` on the machine, else Debian's package, else a container; else an error that lists these ways. */
export async function findRabbitmq({
  onProgress,
  facts = {
    findExecutable: findRabbitmqServer,
    canInstallDebianPackage: isRootOnDebian,
    installDebianPackage: () =>
      withProgress('RabbitMQ: installing the Debian package rabbitmq-server …', onProgress, () =>
        installDebianPackage('rabbitmq-server'),
      ),
    dockerAnswers,
  },
}: {
  onProgress: Progress;
  facts?: RabbitmqFacts;
}): Promise<Found<FoundRabbitmq>> {
  const node = async (): Promise<FoundRabbitmq | undefined> => {
    const executable = await facts.findExecutable();
    return executable === undefined ? undefined : { kind: 'node', executable };
  };
  const ways: Way<FoundRabbitmq>[] = [
    {
      name: 'rabbitmq-server on this machine',
      advice: 'install rabbitmq-server (https://www.rabbitmq.com/docs/download; Homebrew: brew install rabbitmq)',
      find: node,
    },
    {
      name: 'Debian package rabbitmq-server',
      advice: 'on Debian or Ubuntu, run once as root, which installs the package rabbitmq-server',
      find: async () => {
        if (!(await facts.canInstallDebianPackage())) return undefined;
        await facts.installDebianPackage();
        return node();
      },
    },
    containerWay(facts.dockerAnswers),
  ];
  return findFirst('RabbitMQ', ways, { instead: 'set AMQP_URL to a broker of your own' });
}

export function containerWay(answers: () => Promise<boolean>): Way<FoundRabbitmq> {
  return {
    name: 'container rabbitmq:4-management',
    advice: 'start a Docker engine that this user may use, which runs the image rabbitmq:4-management',
    find: async () => ((await answers()) ? { kind: 'container' } : undefined),
  };
}

export async function dockerAnswers(): Promise<boolean> {
  if ((await findOnPath('docker')) === undefined) return false;
  return runCommand('docker', ['version', '--format', '{{.Server.Version}}']).then(
    () => true,
    () => false,
  );
}

async function findRabbitmqServer(): Promise<string | undefined> {
  if (existsSync(packagedExecutable)) return packagedExecutable;
  const folders = [
    '/opt/homebrew/sbin',
    '/usr/local/sbin',
    '/opt/homebrew/opt/rabbitmq/sbin',
    '/usr/local/opt/rabbitmq/sbin',
  ];
  return (
    (await findOnPath('rabbitmq-server')) ??
    folders.map((folder) => join(folder, 'rabbitmq-server')).find((path) => existsSync(path))
  );
}
