import { inject, vi } from 'vitest';
import type { Rig } from '../rig.ts';
import { useOpened } from '../use-opened.ts';
import { openNamespace, type TestNamespace } from './namespace.ts';

/** A namespace for the tests of a file or of a `describe`. It opens before what is used after it. */
export function useNamespace(name?: string): TestNamespace {
  return useOpened(
    () => openNamespace(inject('kubernetes')?.kubeconfig ?? '', name),
    (namespace) => namespace.close(),
  );
}

/** The settings of an agents_worker whose agents are pods of the namespace. */
export function settingsOf({ name, kubeconfig }: TestNamespace): { KUBERNETES_NAMESPACE: string; KUBECONFIG: string } {
  return { KUBERNETES_NAMESPACE: name, KUBECONFIG: kubeconfig };
}

/** A small agent: many of its pods fit on a small machine. Without a command, it sleeps. */
export const smallAgent = {
  kind: 'kubernetes',
  image: inject('kubernetes')?.image ?? '',
  user: '65534:65534',
  cpus: 0.05,
  memory_mebibytes: 32,
  stop_grace_seconds: 1,
};

/** Waits for a file /tmp/go, which `go` of the pods makes. */
export const untilGo = 'while [ ! -e /tmp/go ]; do sleep 0.05; done';

/** Deletes every instance of the rig. Resolves once nothing is placed on any host, so that no pod is left. */
export async function removeInstances({ pool }: Pick<Rig, 'pool'>): Promise<void> {
  await pool.query('delete from instances');
  await vi.waitUntil(async () => (await pool.query('select from placements')).rowCount === 0, { timeout: 80_000 });
}
