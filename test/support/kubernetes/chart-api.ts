import type { TestProject } from 'vitest/node';
import { toolsDirectory } from '../../../stack/paths.ts';
import { ownCluster } from './own-cluster.ts';
import { findApiPrograms } from './programs.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Null: there is no API server, and what needs one is skipped. */
    kubernetesApi: {
      /** A kubeconfig file of an administrator. */
      kubeconfig: string;
      /** It was started for the tests: it has no controllers and no nodes, so that nothing but a test changes an object. */
      isOwn: boolean;
    } | null;
  }
}

/** The API server of `KUBECONFIG`, else one that is started here from the programs in `.stack/bin`; else none. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env['KUBECONFIG'];
  if (given !== undefined) {
    project.provide('kubernetesApi', { kubeconfig: given, isOwn: false });
    return async () => {};
  }
  try {
    const programs = await findApiPrograms({ toolsDirectory, onProgress: () => {}, build: false });
    const cluster = ownCluster('chart', programs);
    // Ends also what an earlier run has left.
    await cluster.remove();
    await cluster.start();
    project.provide('kubernetesApi', { kubeconfig: cluster.kubeconfig, isOwn: true });
    return () => cluster.remove();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const advice = `${reason}. Or set KUBECONFIG to a file with a login.`;
    process.stdout.write(`TESTS OF THE CHART AT AN API SERVER ARE SKIPPED: ${advice}\n`);
    project.provide('kubernetesApi', null);
    return async () => {};
  }
}
