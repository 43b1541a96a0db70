import { z } from 'zod';
import { RuntimeUnavailable, SpecRejected } from '../runtime.ts';

/** The answer to a failed request. Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
const failedAnswer = z.object({ message: z.string().min(1) });

/** A watch that failed after its beginning, or before it. */
export class WatchFailed extends Error {
  override name = 'WatchFailed';
  readonly code: number | undefined;

  constructor(message: string, code?: number) {
    super(message);
    this.code = code;
  }
}

/** The status code of a failed request; undefined when no answer came. */
export function statusOf(error: unknown): number | undefined {
  const status: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof status === 'number' ? status : undefined;
}

/** A handler for `catch` that swallows the given status codes and throws every other error. */
export function unless(...statuses: number[]): (error: unknown) => undefined {
  return (error) => {
    const status = statusOf(error);
    if (status === undefined || !statuses.includes(status)) throw error;
  };
}

/** The message of the API server, without the headers and the body that the client library adds. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const answer = 'body' in error ? failedAnswer.safeParse(parsed(error.body)) : undefined;
  if (answer?.success) return answer.data.message.trim().replace(/\.$/, '');
  const status = statusOf(error);
  if (status !== undefined && 'body' in error) return `the API server answered with status ${status}`;
  const { cause } = error;
  return (error.message || (cause instanceof Error ? cause.message : error.name)).trim();
}

/** The account lacks a right. Admission also answers 403, with other words. */
const lacksRight = /cannot \w+ resource/;
/** Admission answers that time or an administrator changes. */
const temporaryRefusals = /exceeded quota|is being terminated|serviceaccount .* not found|unable to create new content/;

/** Turns a failure to create a pod or its Secret into SpecRejected when the agent is at fault. */
export function asStartFailure(error: unknown): unknown {
  const reason = reasonOf(error);
  const status = statusOf(error);
  const byAdmission = status === 403 && !lacksRight.test(reason) && !temporaryRefusals.test(reason);
  if (status !== 400 && status !== 422 && !byAdmission) return error;
  const advice = 'Correct what this message names and publish the agent again.';
  return new SpecRejected(`The cluster refuses the pod of the agent: ${reason}. ${advice}`, { cause: error });
}

/** For `catch`: throws what `asStartFailure` makes of the error. */
export function rethrowAsStartFailure(error: unknown): never {
  throw asStartFailure(error);
}

/** The error for every other failure: the API server is away or overloaded, or the cluster is not prepared. */
export function asUnavailable(
  error: unknown,
  { server, namespace }: { server: string; namespace: string },
): RuntimeUnavailable {
  const reason = reasonOf(error);
  const status = statusOf(error);
  const sentence = (): string => {
    if (status === undefined || status >= 500)
      return `The API server of Kubernetes at ${server} does not answer: ${reason}. Start it, or correct KUBECONFIG.`;
    if (status === 401)
      return `The API server of Kubernetes at ${server} does not accept the login of agents_worker: ${reason}. Renew it in KUBECONFIG.`;
    if (status === 403 && lacksRight.test(reason))
      return `The account of agents_worker lacks a right: ${reason}. Apply runtimes/kubernetes/manifests to the namespace ${namespace}.`;
    if (status === 403 && reason.includes('exceeded quota'))
      return `The quota of the namespace ${namespace} is used up: ${reason}. Raise it, or delete instances.`;
    if (status === 404 && reason.startsWith('namespaces '))
      return `The cluster has no namespace ${namespace}: create it with runtimes/kubernetes/manifests, or correct KUBERNETES_NAMESPACE.`;
    return `The API server of Kubernetes at ${server} cannot do this now: ${reason}.`;
  };
  return new RuntimeUnavailable(sentence(), { cause: error });
}

function parsed(body: unknown): unknown {
  if (typeof body !== 'string') return body;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
