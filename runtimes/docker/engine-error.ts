import { RuntimeUnavailable, SpecRejected } from '../runtime.ts';

/** The status code of a failed request; undefined when no answer came. Source: https://docs.docker.com/reference/api/engine/ */
export function statusOf(error: unknown): number | undefined {
  const status: unknown = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' ? status : undefined;
}

/** A handler for `catch` that swallows the given status codes and throws every other error. */
export function unless(...statuses: number[]): (error: unknown) => undefined {
  return (error) => {
    const status = statusOf(error);
    if (status === undefined || !statuses.includes(status)) throw error;
  };
}

/** The message of the engine, without the text that the client library adds. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const answer: unknown = 'json' in error ? error.json : undefined;
  const said = typeof answer === 'object' && answer !== null && 'message' in answer ? answer.message : undefined;
  return (typeof said === 'string' ? said : error.message).trim();
}

/** Messages that name a fault of the agent although the status code blames the engine. */
const faultsOfAgent =
  /unable to find (user|group)|invalid reference format|exec format error|executable file not found|no such file or directory: unknown|permission denied: unknown|not a directory: unknown|is not an absolute path|invalid environment variable|minimum memory limit|operation not permitted: unknown/i;

/** Turns a failure to create or start a container into SpecRejected when the agent is at fault. */
export function asStartFailure(error: unknown): unknown {
  const reason = reasonOf(error);
  const status = statusOf(error);
  const refused = status === 400 || (status === 404 && !/no such container/i.test(reason));
  if (!refused && !faultsOfAgent.test(reason)) return error;
  const advice = 'Correct what this message names and publish the agent again.';
  return new SpecRejected(`The Docker engine refuses the agent: ${reason}. ${advice}`, { cause: error });
}

/** Messages of registries and engines about images that another attempt will not find either. */
const faultsOfImage =
  /manifest unknown|not found|denied|unauthorized|invalid reference format|no matching manifest|does not match the specified platform|cannot be used on this platform|does not (provide|support) the (specified )?platform|unsupported (platform|media type|manifest)/i;

/** Turns a failed pull into SpecRejected when the answer is final. A registry that is away is worth another attempt. */
export function asPullFailure(error: unknown, image: string): unknown {
  const status = statusOf(error);
  const refused = status === 400 || status === 404 || faultsOfImage.test(reasonOf(error));
  if (!refused) return error;
  const advice = 'Pull or build it on the engine, or publish the agent with another image.';
  return new SpecRejected(`The image ${image} cannot be pulled: ${reasonOf(error)}. ${advice}`, { cause: error });
}

/** The error for every other failure: the engine is away, overloaded or faulty. */
export function asUnavailable(error: unknown, host: string): RuntimeUnavailable {
  const sentence = answered(error)
    ? `The Docker engine at ${host} cannot do this now: ${reasonOf(error)}`
    : `The Docker engine at ${host} does not answer: ${reasonOf(error)}. Start it, or correct DOCKER_HOST.`;
  return new RuntimeUnavailable(sentence, { cause: error });
}

/** Whether the engine answered. An error of the connection has a system code or is a timeout. */
function answered(error: unknown): boolean {
  if (statusOf(error) !== undefined) return true;
  return error instanceof Error && !('code' in error) && error.name !== 'TimeoutError';
}
