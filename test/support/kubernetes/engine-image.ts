import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runCommand } from '../../../stack/command.ts';
import { staticBusybox } from '../docker-images.ts';
import { buildImage } from '../image.ts';
import { writeImage } from './test-images.ts';

/**
 * Writes an archive of the project's image. What the Dockerfile does is done; only its base image is missing, in whose place are the Node.js
 * of this machine with its libraries, and a busybox.
 */
export async function writeEngineImage(file: string, name: string): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'engine-image-'));
  try {
    const app = join(root, 'app');
    await mkdir(app);
    const { environment, entrypoint } = await buildImage(app);
    const addons = await filesBelow(app, '.node');
    const libraries = await Promise.all([process.execPath, ...addons].map(librariesOf));
    for (const path of new Set([process.execPath, ...libraries.flat()])) await copyInto(root, path);
    await symlinkTo(root, process.execPath, '/bin/node');
    await mkdir(join(root, 'bin'), { recursive: true });
    await cp(staticBusybox.program, join(root, 'bin/busybox'));
    for (const applet of ['sh', 'sleep']) await symlink('busybox', join(root, 'bin', applet));
    for (const folder of ['tmp', 'var/lib/instances']) await mkdir(join(root, folder), { recursive: true });
    await mkdir(join(root, 'etc'), { recursive: true });
    await writeFile(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nnode:x:1000:1000::/tmp:/bin/sh\n');
    const archive = `${root}.layer.tar`;
    try {
      // Every user may read the files of an image.
      await runCommand('tar', ['--owner=0', '--group=0', '--mode=a+rX', '-C', root, '-cf', archive, '.']);
      const inImage = Object.entries(environment).map(([key, value]) => `${key}=${value.replace(app, '/app')}`);
      const config = { Env: ['PATH=/bin', ...inImage], Entrypoint: entrypoint, WorkingDir: '/app', User: '1000' };
      await writeImage(file, { name, config, layer: await readFile(archive) });
    } finally {
      await rm(archive, { force: true });
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** The files below the folder whose names end so. */
async function filesBelow(folder: string, end: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true });
  return entries.filter((name) => name.endsWith(end)).map((name) => join(folder, name));
}

/** The paths of the shared libraries of a program, and of the loader. None where the program is one of another platform. */
async function librariesOf(program: string): Promise<string[]> {
  const printed = await runCommand('ldd', [program]).catch(() => '');
  return [...printed.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path ?? '');
}

async function copyInto(root: string, path: string): Promise<void> {
  await mkdir(join(root, dirname(path)), { recursive: true });
  await cp(path, join(root, path), { dereference: true });
}

async function symlinkTo(root: string, target: string, path: string): Promise<void> {
  if (target === path) return;
  await mkdir(join(root, dirname(path)), { recursive: true });
  await symlink(target, join(root, path));
}
