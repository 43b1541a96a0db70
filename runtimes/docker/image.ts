import type { ImageInspectInfo } from 'dockerode';
import { SpecRejected } from '../runtime.ts';
import { reasonOf, statusOf } from './engine-error.ts';
import type { DockerEngine } from './engine.ts';

/**
 * The image as the engine has it, pulled when it is missing. One that is there is never pulled again: a tag that moved
 * takes effect where somebody pulls it, or with another tag.
 * @throws SpecRejected when its registry has no such image or does not give it out; the engine's error otherwise
 */
export async function ensureImage(engine: DockerEngine, image: string, signal: AbortSignal): Promise<ImageInspectInfo> {
  const present = await engine.inspectImage(image, signal);
  if (present) return present;
  try {
    await engine.pull(image, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw asPullFailure(error, image);
  }
  const pulled = await engine.inspectImage(image, signal);
  if (!pulled) throw new Error(`the image ${image} was pulled and removed again`);
  return pulled;
}

/** A registry that is away may come back, and is worth another try; what it says of an image is its last word. */
function asPullFailure(error: unknown, image: string): unknown {
  const status = statusOf(error);
  const refused =
    status === 400 || status === 404 || /manifest unknown|not found|denied|unauthorized/i.test(reasonOf(error));
  if (!refused) return error;
  const advice = 'Pull or build it on the engine, or publish the agent with another image.';
  return new SpecRejected(`The image ${image} cannot be pulled: ${reasonOf(error)}. ${advice}`, { cause: error });
}
