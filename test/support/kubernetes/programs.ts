import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { withProgress } from '../../../stack/command.ts';
import { isRootOnDebian } from '../../../stack/debian-package.ts';
import type { Progress } from '../../../stack/server.ts';
import { findGoProgram } from '../go-program.ts';
import { unpackDebianPackages } from '../unpack-debian-packages.ts';

/** The API server of a cluster, and the store of its own. */
export interface ApiPrograms {
  etcd: string;
  apiServer: string;
}

/** What places pods and runs them on this machine. */
export interface NodePrograms {
  scheduler: string;
  controllerManager: string;
  kubelet: string;
  /** Folders with containerd, its shim, ctr and runc. */
  path: string[];
  /** The folder of the CNI plugins. */
  cni: string;
}

const version = 'v1.34.4';
/** The libraries that are developed together with Kubernetes are published with this version. */
const libraryVersion = 'v0.34.4';
/** The build takes this much processor time with a cold cache. */
const buildMinutes = { 'kube-apiserver': 8, 'kube-scheduler': 1, 'kube-controller-manager': 2, kubelet: 2 };

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
    scheduler: await findBuilt('kube-scheduler', options),
    controllerManager: await findBuilt('kube-controller-manager', options),
    kubelet: await findBuilt('kubelet', options),
    path: [bin, join(folder, 'usr/sbin')],
    cni: join(folder, 'usr/lib/cni'),
  };
}

function findBuilt(name: keyof typeof buildMinutes, options: Options): Promise<string> {
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
  const stamp = Object.entries({ gitVersion: version, gitMajor: major, gitMinor: minor })
    .map(([variable, value]) => `-X k8s.io/component-base/version.${variable}=${value}`)
    .join(' ');
  const program = { name, module: 'k8s.io/kubernetes', version, path: `cmd/${name}`, minutes: buildMinutes[name] };
  return findGoProgram(
    { ...program, linkerFlags: stamp, dependenciesOf },
    { ...options, command: 'npm run test:kubernetes' },
  );
}

/**
 * The go.mod of Kubernetes replaces the libraries that are developed with it by folders of its repository; here they are replaced by
 * what was published of them.
 */
function dependenciesOf(goMod: string): string {
  const libraries = new Set(
    [...goMod.matchAll(/^\s*(k8s\.io\/[\w-]+) v0\.0\.0(?=\s)/gm)].map(([, library]) => library),
  );
  const dependencies = goMod.replaceAll(/^replace \([^)]*\)/gm, '').replaceAll(/^replace .*/gm, '');
  const replaced = [...libraries].map((library) => `replace ${library} => ${library} ${libraryVersion}`);
  return [dependencies, ...replaced].join('\n');
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
