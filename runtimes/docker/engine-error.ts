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
const faultsOfAgent = /unable to find (user|group)/i;

/** What the engine says of a container that is being made or started: the agent's fault, or one that passes. */
export function asStartFailure(error: unknown): unknown {
  const reason = reasonOf(error);
  const status = statusOf(error);
  const refused = status === 400 || (status === 404 && !/no such container/i.test(reason));
  if (!refused && !faultsOfAgent.test(reason)) return error;
  const advice = 'Publish the agent with what is named here put right.';
  return new SpecRejected(`The Docker engine refuses the agent: ${reason}. ${advice}`, { cause: error });
}

/** What no other error class stands for: the engine is away, overloaded, or at odds with itself. */
export function asUnavailable(error: unknown, host: string): RuntimeUnavailable {
  const sentence =
    statusOf(error) === undefined
      ? `The Docker engine at ${host} does not answer: ${reasonOf(error)}. Start it, or correct DOCKER_HOST.`
      : `The Docker engine at ${host} cannot do this now: ${reasonOf(error)}`;
  return new RuntimeUnavailable(sentence, { cause: error });
}
