import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { runCommand, withProgress } from '../../../stack/command.ts';
import { isRootOnDebian } from '../../../stack/debian-package.ts';
import { toolsDirectory } from '../../../stack/paths.ts';
import type { Progress } from '../../../stack/server.ts';
import { findTemporal } from '../../../stack/temporal-find.ts';
import { readComposeFile } from '../../support/compose-file.ts';
import { buildDebianRoot } from '../../support/debian-root.ts';
import { findGoProgram } from '../../support/go-program.ts';
import { findNode, prepareNodeVersions } from '../../support/node-versions.ts';

/** The images that docker-compose.yml and the Dockerfile pull: the target that stands for each, and the command that prints its release. */
const substitutes: Record<string, { target: string; release: string[] }> = {
  node: { target: 'node', release: ['node', '--version'] },
  postgres: { target: 'postgres', release: ['postgres', '--version'] },
  rabbitmq: { target: 'rabbitmq', release: ['rabbitmqctl', 'version'] },
  'temporalio/server': { target: 'temporal-server', release: ['temporal-server', '--version'] },
  'temporalio/admin-tools': { target: 'temporal-admin-tools', release: ['temporal-sql-tool', '--version'] },
  'temporalio/ui': { target: 'temporal-ui', release: ['./ui-server', '--version'] },
  haproxy: { target: 'haproxy', release: ['haproxy', '-v'] },
};

const folder = fileURLToPath(new URL('.', import.meta.url));
const repository = 'instance-engine-substitute';
const temporalModule = 'go.temporal.io/server';
const webUiModule = 'github.com/temporalio/ui-server/v2';

/**
 * Builds images that take the place of those that docker-compose.yml and the Dockerfile pull, from packages of Debian, Go and npm. They have
 * names of their own, so that nobody takes them for the originals.
 *
 * @returns what a second compose file has to change so that they are used
 */
export async function buildSubstitutes(onProgress: Progress): Promise<object> {
  if (!(await isRootOnDebian())) throw new Error('only root on Debian can build the substitute images');
  const services = await readComposeFile();
  const base = /^FROM (\S+) AS base$/m.exec(await readFile(join(folder, '../../../Dockerfile'), 'utf8'))?.[1] ?? '';
  const pulled = Object.values(services).flatMap(({ image, build }) => (build === undefined ? [image] : []));
  const images = [...new Set([base, ...pulled])];
  const tagOf = (name: string): string => images.find((image) => image.startsWith(`${name}:`))?.split(':')[1] ?? '';
  const major = Number.parseInt(tagOf('postgres'), 10);

  const { found: temporal } = await findTemporal({ toolsDirectory, onProgress });
  const versions = { server: tagOf('temporalio/server'), ui: tagOf('temporalio/ui') };
  const contexts = { ...(await gatherPrograms(onProgress, versions)), cli: dirname(temporal) };
  await importDebian(onProgress, [`postgresql-${major}`, 'rabbitmq-server', 'haproxy']);
  const registry = (await runCommand('npm', ['config', 'get', 'registry'])).trim();
  const variables = { POSTGRES_MAJOR: String(major), NPM_REGISTRY: registry, TEMPORAL_CLI: basename(temporal) };
  for (const image of images) {
    await withProgress(`Building the substitute for ${image} …`, onProgress, () =>
      buildImage(image, { contexts, variables }),
    );
    onProgress(`${image} is substituted by: ${await releaseOf(image)}`);
  }
  return {
    services: Object.fromEntries(
      Object.entries(services).map(([name, service]) => [
        name,
        service.build === undefined
          ? { image: nameOf(service.image), pull_policy: 'never' }
          : { build: { additional_contexts: { [base]: `docker-image://${nameOf(base)}` } } },
      ]),
    ),
  };
}

function substituteOf(image: string) {
  const found = substitutes[image.split(':')[0] ?? ''];
  if (found === undefined) throw new Error(`${image} has no substitute: add one to ${folder}`);
  return found;
}

const nameOf = (image: string): string => `${repository}:${substituteOf(image).target}`;

async function buildImage(
  image: string,
  { contexts, variables }: { contexts: Record<string, string>; variables: Record<string, string> },
): Promise<void> {
  const options = [
    ...Object.entries(contexts).map(([name, path]) => `--build-context=${name}=${path}`),
    ...Object.entries(variables).map(([name, value]) => `--build-arg=${name}=${value}`),
  ];
  await runCommand('docker', [
    'build',
    `--target=${substituteOf(image).target}`,
    `--tag=${nameOf(image)}`,
    ...options,
    folder,
  ]);
}

async function releaseOf(image: string): Promise<string> {
  const [program = '', ...args] = substituteOf(image).release;
  const answer = await runCommand('docker', ['run', '--rm', `--entrypoint=${program}`, nameOf(image), ...args]);
  return `${program} ${answer.trim().split('\n')[0]}`;
}

/** The Debian system that all substitutes begin with: the servers, and the tools that the originals have. */
async function importDebian(onProgress: Progress, servers: string[]): Promise<void> {
  const name = 'compose-substitutes';
  const packages = [...servers, 'ca-certificates', 'netcat-openbsd', 'wget'];
  await withProgress(`Installing Debian's unstable ${packages.join(', ')} into a folder …`, onProgress, () =>
    buildDebianRoot({ toolsDirectory, name, packages }),
  );
  const image = `${repository}:debian`;
  if ((await runCommand('docker', ['image', 'ls', '--quiet', image])) !== '') return;
  const script = 'tar --directory="$1" --create . | docker import - "$2"';
  await withProgress('Importing it …', onProgress, () =>
    runCommand('sh', ['-euc', script, 'sh', join(toolsDirectory, name), image]),
  );
}

/** What does not come from Debian, as build contexts of the Dockerfile. */
async function gatherPrograms(
  onProgress: Progress,
  versions: { server: string; ui: string },
): Promise<Record<string, string>> {
  const options = { toolsDirectory, onProgress, build: true, command: 'npm run test:compose -- --substitutes' };
  const server = {
    module: temporalModule,
    version: `v${versions.server}`,
    // Its go.mod also lists tools of its developers, and releases of its own that nobody should use.
    dependenciesOf: (goMod: string) => goMod.replaceAll(/^retract \([^)]*\)/gm, '').replaceAll(/^tool .*/gm, ''),
  };
  const webUi = { module: webUiModule, version: `v${versions.ui}` };
  await findGoProgram({ ...server, name: 'temporal-server', path: 'cmd/server', minutes: 4 }, options);
  await findGoProgram({ ...server, name: 'temporal-sql-tool', path: 'cmd/tools/sql', minutes: 1 }, options);
  await findGoProgram({ ...webUi, name: 'temporal-ui-server', path: 'cmd/server', minutes: 1 }, options);
  await prepareNodeVersions();
  const node = findNode(24);
  if (node === undefined) throw new Error('Node.js 24 could not be installed');
  return {
    tools: toolsDirectory,
    'temporal-module': await folderOfModule(server),
    'ui-module': await folderOfModule(webUi),
    nodejs: dirname(dirname(node)),
    npm: join((await runCommand('npm', ['root', '--global'])).trim(), 'npm'),
    certificates: '/etc/ssl/certs',
  };
}

async function folderOfModule({ module, version }: { module: string; version: string }): Promise<string> {
  const answer = await runCommand('go', ['mod', 'download', '-json', `${module}@${version}`]);
  return z.object({ Dir: z.string() }).parse(JSON.parse(answer)).Dir;
}
