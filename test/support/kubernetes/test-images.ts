import { createHash } from 'node:crypto';
import { createWriteStream, mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack, type Pack } from 'tar-stream';
import { staticBusybox } from '../docker-images.ts';

const library = 'docker.io/library/';
/** A shell and little else; its user is nobody. */
export const plainImage = 'instance-engine-test:plain';
/** The same with root as its user. */
export const rootImage = 'instance-engine-test:root';
/** Its program is one of another platform. */
export const foreignImage = 'instance-engine-test:foreign';
/** The first process of every pod, which collects the orphans of the others. */
export const pauseImage = `${library}instance-engine-test:pause`;

const applets = [
  'cat',
  'echo',
  'env',
  'head',
  'id',
  'kill',
  'ls',
  'nc',
  'ps',
  'setsid',
  'sh',
  'sleep',
  'tail',
  'test',
  'touch',
];
const nobody = { User: '65534:65534' };
const images = {
  [plainImage]: { ...nobody, Cmd: ['sleep', '1000'] },
  [rootImage]: { Cmd: ['sleep', '1000'] },
  [foreignImage]: { ...nobody, Cmd: ['/bin/foreign'] },
  [pauseImage]: { Entrypoint: ['/bin/sh', '-c', 'while :; do sleep 1000 & wait; done'] },
};

/** Writes an archive of one image with one layer, as `docker save` does. */
export async function writeImage(
  file: string,
  { name, config, layer }: { name: string; config: object; layer: Buffer },
) {
  await pipeline(archiveOf(name, config, layer), createWriteStream(file));
}

/** Writes an archive for each image, as `docker save` does. @returns the files */
export async function writeTestImages(folder: string): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  const layer = await layerOf(await readFile(staticBusybox.program));
  return Promise.all(
    Object.entries(images).map(async ([name, config], index) => {
      const file = join(folder, `image-${index}.tar`);
      await writeImage(file, { name, config, layer });
      return file;
    }),
  );
}

/** Source: https://github.com/moby/docker-image-spec/blob/main/v1.2.md */
function archiveOf(name: string, config: object, layer: Buffer): Pack {
  const image = JSON.stringify({
    architecture: { x64: 'amd64' }[process.arch as string] ?? process.arch,
    os: 'linux',
    config: { Env: ['PATH=/bin'], ...config },
    rootfs: { type: 'layers', diff_ids: [`sha256:${digestOf(layer)}`] },
  });
  const configFile = `${digestOf(Buffer.from(image))}.json`;
  const archive = pack();
  archive.entry({ name: configFile }, image);
  archive.entry({ name: 'layer.tar' }, layer);
  archive.entry(
    { name: 'manifest.json' },
    JSON.stringify([{ Config: configFile, RepoTags: [name], Layers: ['layer.tar'] }]),
  );
  archive.finalize();
  return archive;
}

async function layerOf(busybox: Buffer): Promise<Buffer> {
  const files = pack();
  files.entry({ name: 'bin/', type: 'directory', mode: 0o755 });
  files.entry({ name: 'tmp/', type: 'directory', mode: 0o1777 });
  files.entry({ name: 'bin/busybox', mode: 0o755 }, busybox);
  files.entry({ name: 'bin/foreign', mode: 0o755 }, asOfOtherPlatform(busybox));
  for (const name of applets) files.entry({ name: `bin/${name}`, type: 'symlink', linkname: 'busybox' });
  files.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of files) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The header of a program says at byte 18 which machine it is for; no machine has this number. */
function asOfOtherPlatform(program: Buffer): Buffer {
  const copy = Buffer.from(program);
  copy.writeUInt16LE(0xfeed, 18);
  return copy;
}

function digestOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
