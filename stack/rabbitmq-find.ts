import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { findOnPath, runCommand, withProgress } from './command.ts';
import { installDebianPackage } from './debian-package.ts';
import { findFirst, type Way } from './find-first.ts';
import type { Progress } from './server.ts';

export type FoundRabbitmq = { kind: 'node'; executable: string } | { kind: 'container' };

/** What is looked at on the machine; tests put their own in place. */
export interface RabbitmqFacts {
  findExecutable: () => Promise<string | undefined>;
  canInstallDebianPackage: () => Promise<boolean>;
  installDebianPackage: () => Promise<void>;
  dockerAnswers: () => Promise<boolean>;
}

/** A `rabbitmq-server` on the machine, else Debian's package, else a container; else an error that lists these ways. */
export async function findRabbitmq({
  onProgress,
  facts = factsOfThisMachine(onProgress),
}: {
  onProgress: Progress;
  facts?: RabbitmqFacts;
}): Promise<{ way: string; found: FoundRabbitmq }> {
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
    {
      name: 'container rabbitmq:4-management',
      advice: 'start a Docker engine that this user may use, which runs the image rabbitmq:4-management',
      find: async () => ((await facts.dockerAnswers()) ? { kind: 'container' } : undefined),
    },
  ];
  return findFirst('RabbitMQ', ways, { instead: 'set AMQP_URL to a broker of your own' });
}

function factsOfThisMachine(onProgress: Progress): RabbitmqFacts {
  return {
    findExecutable: findRabbitmqServer,
    canInstallDebianPackage: async () =>
      process.getuid?.() === 0 && existsSync('/etc/debian_version') && (await findOnPath('apt-get')) !== undefined,
    installDebianPackage: () =>
      withProgress('RabbitMQ: installing the Debian package rabbitmq-server …', onProgress, () =>
        installDebianPackage('rabbitmq-server'),
      ),
    dockerAnswers: async () => {
      if ((await findOnPath('docker')) === undefined) return false;
      return runCommand('docker', ['version', '--format', '{{.Server.Version}}']).then(
        () => true,
        () => false,
      );
    },
  };
}

async function findRabbitmqServer(): Promise<string | undefined> {
  // The package's own script comes first: the one that Debian puts on the PATH changes the user to `rabbitmq`.
  const packaged = '/usr/lib/rabbitmq/bin/rabbitmq-server';
  if (existsSync(packaged)) return packaged;
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
