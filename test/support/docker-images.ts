import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type Docker from 'dockerode';
import { pack, type Pack } from 'tar-stream';
import { connect } from '../../runtimes/docker/connection.ts';

/** A shell and little else; its user is root. */
export const plainImage = 'instance-engine-test:plain';
/** The same with a HEALTHCHECK, which succeeds once there is a file /tmp/ready, and a user of its own. */
export const checkedImage = 'instance-engine-test:checked';
/** The plain one with a STOPSIGNAL that few images have. */
export const stoppedBy = { SIGWINCH: 'instance-engine-test:winch', SIGUSR1: 'instance-engine-test:usr1' };

const changesOf = {
  [plainImage]: [],
  [checkedImage]: ['USER 1000:1000', 'HEALTHCHECK --interval=200ms CMD test -e /tmp/ready'],
};

const applets = [
  'cat',
  'cp',
  'echo',
  'env',
  'head',
  'id',
  'kill',
  'ls',
  'ps',
  'setsid',
  'sh',
  'sleep',
  'tail',
  'test',
  'touch',
];
/** Of the Debian package busybox-static; the package busybox has the same file, but needs libraries. */
export const staticBusybox = { program: '/bin/busybox', installed: '/var/lib/dpkg/info/busybox-static.list' };
const publicBase = 'busybox:1.37-musl';

/** Built from a static busybox where there is one, so that no registry is needed; else from the public image. */
export async function importTestImages(host: string): Promise<void> {
  const docker = engineAt(host);
  for (const [image, change] of Object.entries(changesOf)) {
    const [repo, tag] = image.split(':');
    const files = existsSync(staticBusybox.installed) ? await busyboxFiles() : await exportPublic(docker);
    await finish(docker, await docker.importImage(files, { repo, tag, changes: change }));
  }
  for (const [signal, image] of Object.entries(stoppedBy)) await commitWith(docker, image, { StopSignal: signal });
}

export async function removeTestImages(host: string): Promise<void> {
  const docker = engineAt(host);
  for (const image of [...Object.values(stoppedBy), ...Object.keys(changesOf)])
    await docker.getImage(image).remove({ force: true });
}

export function engineAt(host: string): Docker {
  return connect({ host, certificatesDirectory: process.env['TEST_DOCKER_CERT_PATH'] });
}

async function busyboxFiles(): Promise<Pack> {
  const files = pack();
  files.entry({ name: 'bin/', type: 'directory', mode: 0o755 });
  files.entry({ name: 'tmp/', type: 'directory', mode: 0o1777 });
  files.entry({ name: 'bin/busybox', mode: 0o755 }, await readFile(staticBusybox.program));
  for (const name of applets) files.entry({ name: `bin/${name}`, type: 'symlink', linkname: 'busybox' });
  files.finalize();
  return files;
}

async function exportPublic(docker: Docker): Promise<NodeJS.ReadableStream> {
  await finish(docker, await docker.pull(publicBase));
  const container = await docker.createContainer({ Image: publicBase });
  const files = await container.export();
  files.once('close', () => void container.remove());
  return files;
}

/** For what an import cannot change: the plain image with another configuration. */
async function commitWith(docker: Docker, image: string, config: Docker.ContainerCreateOptions): Promise<void> {
  const [repo, tag] = image.split(':');
  const container = await docker.createContainer({ Image: plainImage, Cmd: ['sh'], ...config });
  try {
    await container.commit({ repo, tag });
  } finally {
    await container.remove();
  }
}

async function finish(docker: Docker, progress: NodeJS.ReadableStream): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(progress, (error) => (error ? reject(error) : resolve()));
  });
}
