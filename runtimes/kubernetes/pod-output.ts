import { quoteLastOutput } from '../last-output.ts';
import { reasonOf } from './cluster-error.ts';
import type { Cluster } from './cluster.ts';
import type { PodReading } from './pod-reading.ts';

type Reader = Pick<Cluster, 'lastOutput' | 'withoutSecrets'>;
type Pod = Pick<PodReading, 'name' | 'terminated'>;

/** A sentence that quotes the last lines. It never rejects, because a node that is away must not hold the report of an end up. */
export async function quoteOutputOf(cluster: Reader, pod: Pod): Promise<string> {
  try {
    return quoteLastOutput((await lastOutputOf(cluster, pod))?.text);
  } catch (error) {
    return `Its output cannot be read: ${reasonOf(error)}.`;
  }
}

/** The last lines that an agent printed: of its log, or of what the kubelet copied of it into the status of a failed pod. */
export async function lastOutputOf(
  cluster: Reader,
  { name, terminated }: Pod,
): Promise<{ text: string; at: Date } | undefined> {
  let failure: unknown;
  const log = await cluster.lastOutput(name).catch((error: unknown) => {
    failure = error;
  });
  if (log) return log;
  const { message = '', reason, finishedAt } = terminated ?? {};
  // After other reasons, the message is that of the container runtime.
  if (message !== '' && finishedAt !== undefined && (reason === 'Error' || reason === 'OOMKilled')) {
    return { text: await cluster.withoutSecrets(name, message), at: finishedAt };
  }
  if (failure !== undefined) throw failure;
  return undefined;
}
