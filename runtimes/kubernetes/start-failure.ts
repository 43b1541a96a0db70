import { AgentNotReady, RuntimeUnavailable, SpecRejected } from '../runtime.ts';
import { describeEnd, isOwnEnd } from './pod-end.ts';
import type { PodReading } from './pod-reading.ts';

/** Reasons of the kubelet that another attempt will not cure. Source: pkg/kubelet/images/types.go and kuberuntime_container.go */
const finalReasons = new Set(['InvalidImageName', 'ErrImageNeverPull', 'CreateContainerConfigError']);
const pullFailures = new Set(['ErrImagePull', 'ImagePullBackOff', 'RegistryUnavailable', 'ImageInspectError']);
const startFailures = new Set(['CreateContainerError', 'RunContainerError', 'StartError', 'ContainerCannotRun']);

/** Messages of registries and container runtimes about images that another attempt will not find either. */
const faultsOfImage =
  /not found|manifest unknown|denied|unauthorized|forbidden|no match for platform|no matching manifest|unsupported (platform|media type|manifest)|mismatched? (image )?(platform|architecture)/i;
/** Messages that name a fault of the agent although they are those of a start that failed. */
const faultsOfAgent =
  /exec format error|executable file not found|no such file or directory|permission denied|not a directory|unable to find (user|group)|no users found|invalid (user|environment variable)/i;
/** 126: the command cannot be executed. 127: it does not exist. Shells agree on both. */
const exitCodesOfBadCommands = new Set([126, 127]);

/** The error of a pod that will not start as it is; undefined while it may still start. */
export function findStartFailure({ waiting }: PodReading, image: string): Error | undefined {
  if (!waiting) return undefined;
  const { reason } = waiting;
  const message = waiting.message.replace(/\.$/, '');
  if (pullFailures.has(reason)) {
    // A later message repeats the first one, or only says that the kubelet pauses.
    if (faultsOfImage.test(message)) {
      const advice = 'Push it to its registry, or publish the agent with another image.';
      return new SpecRejected(`The image ${image} cannot be pulled: ${message}. ${advice}`);
    }
    return new RuntimeUnavailable(`The image ${image} cannot be pulled at the moment: ${message}.`);
  }
  if (finalReasons.has(reason)) {
    const advice = /runAsNonRoot|non-root/.test(message)
      ? 'Publish the agent with a user that is a number, such as "user": "65534:65534".'
      : 'Correct what this message names and publish the agent again.';
    return new SpecRejected(`The cluster refuses the agent (${reason}): ${message}. ${advice}`);
  }
  if (startFailures.has(reason)) return startFailure(reason, message);
  return undefined;
}

/**
 * The error of a pod that ended before its agent was ready.
 *
 * @param output a sentence that quotes what the agent printed
 */
export function failedStart(reading: PodReading, output: string): Error {
  const { terminated } = reading;
  if (!terminated || !isOwnEnd(reading)) {
    return new RuntimeUnavailable(
      `The pod was ended while it started: ${whyNotYet(reading) ?? 'somebody deleted it'}.`,
    );
  }
  const reason = terminated.reason ?? '';
  const message = terminated.message ?? '';
  if (startFailures.has(reason)) return startFailure(reason, message);
  const sentence = `${describeEnd(reading).replace('.', ', before it was ready.')} ${output}`;
  const isBadCommand = exitCodesOfBadCommands.has(terminated.exitCode) || isOfOtherPlatform(reading, output);
  return isBadCommand ? new SpecRejected(sentence) : new AgentNotReady(sentence);
}

/** What the cluster says of a pod that does not run yet. */
export function whyNotYet({ waiting, endedByCluster, nodeName }: PodReading): string | undefined {
  const said = endedByCluster ?? waiting;
  if (said) return [said.reason, said.message.replace(/\.$/, '')].filter((text) => text !== '').join(': ');
  return nodeName === undefined ? 'no node was found for it' : undefined;
}

function startFailure(reason: string, message: string): Error {
  const sentence = `The cluster cannot start the agent (${reason}): ${message.replace(/\.$/, '')}.`;
  if (!faultsOfAgent.test(message)) return new RuntimeUnavailable(sentence);
  return new SpecRejected(`${sentence} Correct what this message names and publish the agent again.`);
}

/** The kernel refuses the program of another platform only after the container has started. */
function isOfOtherPlatform({ terminated }: PodReading, output: string): boolean {
  return terminated?.exitCode !== 0 && /exec format error/i.test(output);
}
