import { existsSync } from 'node:fs';
import type { TestProject } from 'vitest/node';
import { installDebianPackage } from '../../../stack/debian-package.ts';
import { toolsDirectory } from '../../../stack/paths.ts';
import { staticBusybox } from '../docker-images.ts';
import { ownCluster } from './own-cluster.ts';
import { findApiPrograms, findNodePrograms, type ApiPrograms } from './programs.ts';
import { findSandboxFiles, hasSandboxes, type SandboxFiles } from './sandboxes.ts';
import { plainImage } from './test-images.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Null: there is no cluster, and what needs one is skipped. */
    kubernetes: {
      /** A kubeconfig file of an administrator. */
      kubeconfig: string;
      /** The image of the agents, which has a shell; null where no node runs pods. */
      image: string | null;
      /** Images that only the node of the tests' own has. */
      hasOwnNode: boolean;
      /** For clusters of a test's own. Null: there are none. */
      programs: ApiPrograms | null;
      /** Whether the cluster has agent-sandbox. */
      hasSandboxes: boolean;
      /** agent-sandbox for clusters of a test's own. Null: it is not there. */
      sandboxFiles: SandboxFiles | null;
    } | null;
  }
}

const publicImage = 'busybox:1.37-musl';

/** The cluster of `KUBECONFIG`, else one that is started here where its programs are there or can be built; else none. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env['KUBECONFIG'];
  if (given !== undefined) {
    say(`the cluster of ${given}`);
    const isThere = await hasSandboxes(given);
    if (!isThere) skip('SANDBOXES', 'the cluster has no agent-sandbox');
    project.provide('kubernetes', {
      kubeconfig: given,
      image: publicImage,
      hasOwnNode: false,
      programs: null,
      hasSandboxes: isThere,
      sandboxFiles: null,
    });
    return async () => {};
  }
  const options = { toolsDirectory, onProgress: say, build: true };
  const api = await findApiPrograms(options).catch((error: unknown) => skip('KUBERNETES', error));
  if (!api) {
    project.provide('kubernetes', null);
    return async () => {};
  }
  const node = await findNodePrograms(options).catch((error: unknown) => skip('REAL PODS', error));
  if (node && !existsSync(staticBusybox.installed)) await installDebianPackage('busybox-static', { hasService: false });
  const sandboxFiles = findSandboxes();
  const own = ownCluster('test', { ...api, node });
  await own.remove();
  const start = async (): Promise<void> => {
    await own.start();
    if (node && sandboxFiles) await own.startSandboxes(sandboxFiles);
  };
  await start().catch(async (error: unknown) => {
    // Vitest fails to print the error of a set-up whose modules came from its cache.
    process.stderr.write(`Set-up of Kubernetes: ${error instanceof Error ? error.message : String(error)}\n`);
    await own.remove();
    throw error;
  });
  say(node ? "a cluster of the tests' own, with a node" : "a cluster of the tests' own, without a node");
  const image = node ? plainImage : null;
  project.provide('kubernetes', {
    kubeconfig: own.kubeconfig,
    image,
    hasOwnNode: node !== undefined,
    programs: api,
    hasSandboxes: node !== undefined && sandboxFiles !== null,
    sandboxFiles,
  });
  return () => own.remove();
}

function findSandboxes(): SandboxFiles | null {
  try {
    return findSandboxFiles(toolsDirectory);
  } catch (error) {
    skip('SANDBOXES', error);
    return null;
  }
}

function skip(what: string, error: unknown): undefined {
  say(`TESTS OF ${what} ARE SKIPPED: ${error instanceof Error ? error.message : String(error)}`);
}

function say(line: string): void {
  process.stdout.write(`${line.startsWith('Kubernetes: ') ? '' : 'Kubernetes: '}${line}\n`);
}
