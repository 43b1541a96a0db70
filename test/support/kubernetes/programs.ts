import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { findOnPath, runCommand, withProgress } from '../../../stack/command.ts';
import { isRootOnDebian } from '../../../stack/debian-package.ts';
import type { Progress } from '../../../stack/server.ts';
import { unpackDebianPackages } from '../unpack-debian-packages.ts';

/** The API server of a cluster, and the store of its own. */
export interface ApiPrograms {
  etcd: string;
  apiServer: string;
}

/** What runs pods on this machine. */
export interface NodePrograms {
  kubelet: string;
  /** Folders with containerd, its shim, ctr and runc. */
  path: string[];
  /** The folder of the CNI plugins. */
  cni: string;
}

const module = 'k8s.io/kubernetes';
const version = 'v1.34.4';
/** The libraries that are developed together with Kubernetes are published with this version. */
const libraryVersion = 'v0.34.4';
/** The build takes this much processor time with a cold cache. */
const buildMinutes = { 'kube-apiserver': 8, kubelet: 2 };

interface Options {
  toolsDirectory: string;
  onProgress: Progress;
  /** Builds and downloads what is missing. Otherwise only programs that are there already are found. */
  build: boolean;
}

/** @throws Error saying what to do when a program cannot be had */
export async function findApiPrograms(options: Options): Promise<ApiPrograms> {
  return {
    apiServer: await findBuilt('kube-apiserver', options),
    etcd: await findEtcd(options),
  };
}

/** @throws Error saying what to do when a program cannot be had */
export async function findNodePrograms(options: Options): Promise<NodePrograms> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) throw new Error('only root on Linux can run pods');
  const folder = join(options.toolsDirectory, 'kubernetes-node');
  const bin = join(folder, 'usr/bin');
  if (!existsSync(folder)) {
    await requireDebian('containerd, runc and containernetworking-plugins', options);
    await unpackDebianPackages(folder, {
      // Its programs need a newer C library than that of Debian 12.
      ownRelease: ['runc', 'containernetworking-plugins'],
      unstable: ['containerd'],
    });
  }
  return {
    kubelet: await findBuilt('kubelet', options),
    path: [bin, join(folder, 'usr/sbin')],
    cni: join(folder, 'usr/lib/cni'),
  };
}

async function findBuilt(
  name: keyof typeof buildMinutes,
  { toolsDirectory, onProgress, build }: Options,
): Promise<string> {
  const kept = join(toolsDirectory, name);
  if (existsSync(kept)) return kept;
  if (!build) throw new Error(`there is no ${name} in ${toolsDirectory}: npm run test:kubernetes builds it`);
  if ((await findOnPath('go')) === undefined) throw new Error(`install Go (https://go.dev/dl), which builds ${name}`);
  await withProgress(
    `Kubernetes: building ${name} with Go (${buildMinutes[name]} minutes of processor time the first time) …`,
    onProgress,
    () => buildWithGo(name, toolsDirectory),
  );
  return kept;
}

/**
 * Builds a program of Kubernetes as a dependency of a module of our own. Its go.mod replaces the libraries that are developed
 * with it by folders of its repository; here they are replaced by what was published of them.
 */
async function buildWithGo(name: string, toolsDirectory: string): Promise<void> {
  const building = join(toolsDirectory, 'building', 'kubernetes');
  mkdirSync(building, { recursive: true });
  const answer = await runCommand('go', ['mod', 'download', '-json', `${module}@${version}`]);
  const { GoMod: goMod } = z.object({ GoMod: z.string() }).parse(JSON.parse(answer));
  writeFileSync(join(building, 'go.mod'), ownModule(readFileSync(goMod, 'utf8')));
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
  const stamp = Object.entries({ gitVersion: version, gitMajor: major, gitMinor: minor })
    .map(([variable, value]) => `-X k8s.io/component-base/version.${variable}=${value}`)
    .join(' ');
  await runCommand(
    'nice',
    ['go', 'build', '-mod=mod', '-trimpath', `-ldflags=-s -w ${stamp}`, '-o', name, `${module}/cmd/${name}`],
    { cwd: building },
  );
  // Renamed when complete: a build that was cut short is never taken for the program.
  renameSync(join(building, name), join(toolsDirectory, name));
}

function ownModule(goMod: string): string {
  const libraries = new Set(
    [...goMod.matchAll(/^\s*(k8s\.io\/[\w-]+) v0\.0\.0(?=\s)/gm)].map(([, library]) => library),
  );
  const dependencies = goMod
    .replace(/^module .*/m, 'module kubernetes-programs')
    .replaceAll(/^replace \([^)]*\)/gm, '')
    .replaceAll(/^replace .*/gm, '');
  const replaced = [...libraries].map((library) => `replace ${library} => ${library} ${libraryVersion}`);
  return [dependencies, `require ${module} ${version}`, ...replaced, ''].join('\n');
}

async function findEtcd(options: Options): Promise<string> {
  const { toolsDirectory, onProgress } = options;
  const kept = join(toolsDirectory, 'etcd');
  if (existsSync(kept)) return kept;
  await requireDebian('etcd 3.5', options);
  await withProgress("Kubernetes: unpacking Debian's unstable etcd-server …", onProgress, async () => {
    const folder = join(toolsDirectory, 'building', 'etcd');
    await unpackDebianPackages(folder, { ownRelease: [], unstable: ['etcd-server'] });
    renameSync(join(folder, 'usr/bin/etcd'), kept);
  });
  return kept;
}

async function requireDebian(what: string, { toolsDirectory, build }: Options): Promise<void> {
  if (!build) throw new Error(`there is no ${what} in ${toolsDirectory}: npm run test:kubernetes unpacks it`);
  if (!(await isRootOnDebian())) throw new Error(`${what}: only root on Debian can unpack it`);
}
