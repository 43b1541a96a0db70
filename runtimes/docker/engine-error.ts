import { RuntimeUnavailable, SpecRejected } from '../runtime.ts';

/** The engine's answer to a request that failed; undefined when none came. Codes: https://docs.docker.com/reference/api/engine/ */
export function statusOf(error: unknown): number | undefined {
  const status: unknown = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' ? status : undefined;
}

/** For `catch`: these answers mean that there is nothing left to do. */
export function unless(...statuses: number[]): (error: unknown) => undefined {
  return (error) => {
    const status = statusOf(error);
    if (status === undefined || !statuses.includes(status)) throw error;
  };
}

/** The sentence of the engine itself, without what the client library puts around it. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const answer: unknown = 'json' in error ? error.json : undefined;
  const said = typeof answer === 'object' && answer !== null && 'message' in answer ? answer.message : undefined;
  return (typeof said === 'string' ? said : error.message).trim();
}

/** Faults of the agent that the engine answers as if they were its own. */
const faultsOfAgent =
  /unable to find (user|group)|invalid reference format|exec format error|executable file not found|no such file or directory: unknown|permission denied: unknown|not a directory: unknown|is not an absolute path|invalid environment variable|minimum memory limit|operation not permitted: unknown/i;

/** What the engine says of a container that is being made or started: the agent's fault, or one that passes. */
export function asStartFailure(error: unknown): unknown {
  const reason = reasonOf(error);
  const status = statusOf(error);
  const refused = status === 400 || (status === 404 && !/no such container/i.test(reason));
  if (!refused && !faultsOfAgent.test(reason)) return error;
  const advice = 'Publish the agent with what is named here put right.';
  return new SpecRejected(`The Docker engine refuses the agent: ${reason}. ${advice}`, { cause: error });
}

/** What a registry or engine says of an image that will not be there at the next try either. */
const faultsOfImage =
  /manifest unknown|not found|denied|unauthorized|invalid reference format|no matching manifest|does not match the specified platform|cannot be used on this platform|does not (provide|support) the (specified )?platform|unsupported (platform|media type|manifest)/i;

/** A registry that is away may come back, and is worth another try; its answer about an image is final. */
export function asPullFailure(error: unknown, image: string): unknown {
  const status = statusOf(error);
  const refused = status === 400 || status === 404 || faultsOfImage.test(reasonOf(error));
  if (!refused) return error;
  const advice = 'Pull or build it on the engine, or publish the agent with another image.';
  return new SpecRejected(`The image ${image} cannot be pulled: ${reasonOf(error)}. ${advice}`, { cause: error });
}

/** What no other error class stands for: the engine is away, overloaded, or at odds with itself. */
export function asUnavailable(error: unknown, host: string): RuntimeUnavailable {
  const sentence = answered(error)
    ? `The Docker engine at ${host} cannot do this now: ${reasonOf(error)}`
    : `The Docker engine at ${host} does not answer: ${reasonOf(error)}. Start it, or correct DOCKER_HOST.`;
  return new RuntimeUnavailable(sentence, { cause: error });
}

/** Errors of the connection carry the system's code, or are the end of a time limit. */
function answered(error: unknown): boolean {
  if (statusOf(error) !== undefined) return true;
  return error instanceof Error && !('code' in error) && error.name !== 'TimeoutError';
}
