import { isRootOnDebian } from '../../stack/debian-package.ts';
import { withProgress } from '../../stack/command.ts';
import { findFirst, type Found, type Way } from '../../stack/find-first.ts';
import { pullImage } from '../../stack/rabbitmq-container.ts';
import { containerWay, dockerAnswers, packagedExecutable, type FoundRabbitmq } from '../../stack/rabbitmq-find.ts';
import type { Progress } from '../../stack/server.ts';
import { buildDebianRoot, findDebianRoot, insideDebianRoot } from './debian-root.ts';

/** Questions to the machine and changes of it, which unit tests replace. */
export interface Rabbitmq4Facts {
  findRoot: () => string | undefined;
  canBuildRoot: () => Promise<boolean>;
  buildRoot: () => Promise<void>;
  dockerAnswers: () => Promise<boolean>;
  pullImage: () => Promise<void>;
}

/**
 * Finds RabbitMQ 4 beside whichever release the machine has: Debian's unstable package in a folder of its own, which is kept
 * in `toolsDirectory`, or else a container. Both are complete when this returns.
 */
export async function findRabbitmq4({
  toolsDirectory,
  onProgress,
  signal,
  facts = factsOfThisMachine({ toolsDirectory, onProgress, signal }),
}: {
  toolsDirectory: string;
  onProgress: Progress;
  signal?: AbortSignal | undefined;
  facts?: Rabbitmq4Facts;
}): Promise<Found<FoundRabbitmq>> {
  const node = (): FoundRabbitmq | undefined => {
    const root = facts.findRoot();
    return root === undefined
      ? undefined
      : { kind: 'node', executable: packagedExecutable, system: insideDebianRoot(root) };
  };
  const container = containerWay(facts.dockerAnswers);
  const ways: Way<FoundRabbitmq>[] = [
    {
      name: `Debian's unstable rabbitmq-server in a folder of its own`,
      advice: 'on Debian or Ubuntu, run as root, which installs Debian unstable with rabbitmq-server into a folder',
      find: async () => {
        if (node() === undefined && (await facts.canBuildRoot())) await facts.buildRoot();
        return node();
      },
    },
    {
      ...container,
      find: async () => {
        const found = await container.find();
        if (found !== undefined) await facts.pullImage();
        return found;
      },
    },
  ];
  return findFirst('RabbitMQ 4', ways, {
    instead: 'set RABBITMQ_4_AMQP_URL and RABBITMQ_4_MANAGEMENT_URL to a broker of your own',
    signal,
  });
}

const name = 'rabbitmq-4';

function factsOfThisMachine({
  toolsDirectory,
  onProgress,
  signal,
}: {
  toolsDirectory: string;
  onProgress: Progress;
  signal: AbortSignal | undefined;
}): Rabbitmq4Facts {
  return {
    findRoot: () => findDebianRoot(toolsDirectory, name),
    canBuildRoot: isRootOnDebian,
    buildRoot: () =>
      withProgress('RabbitMQ 4: installing it beside the other (a few minutes the first time) …', onProgress, () =>
        buildDebianRoot({ toolsDirectory, name, packages: ['rabbitmq-server'] }, { signal }),
      ),
    dockerAnswers,
    pullImage: () => pullImage({ onProgress, signal }),
  };
}
