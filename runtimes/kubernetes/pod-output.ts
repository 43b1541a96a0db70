import type { Cluster } from './cluster.ts';
import type { PodReading } from './pod-reading.ts';

/** The last lines that an agent printed: of its log, or of what the kubelet copied of it into the status of a failed pod. */
export async function lastOutputOf(
  cluster: Pick<Cluster, 'lastOutput' | 'withoutSecrets'>,
  { name, terminated }: Pick<PodReading, 'name' | 'terminated'>,
): Promise<{ text: string; at: Date } | undefined> {
  const log = await cluster.lastOutput(name);
  if (log) return log;
  const { message = '', reason, finishedAt } = terminated ?? {};
  // After these reasons, the message is not the agent's.
  if (message === '' || finishedAt === undefined || (reason !== 'Error' && reason !== 'Completed')) return undefined;
  return { text: await cluster.withoutSecrets(name, message), at: finishedAt };
}
