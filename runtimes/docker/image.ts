import type { ImageInspectInfo } from 'dockerode';
import { asPullFailure } from './engine-error.ts';
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
