import type { ImageInspectInfo } from 'dockerode';
import { asPullFailure } from './engine-error.ts';
import type { DockerEngine } from './engine.ts';

/**
 * Returns the image that the engine has, and pulls a missing one. An image that is present is never pulled again, so a tag
 * that moved has no effect until somebody pulls it.
 * @throws SpecRejected when the registry has no such image or denies access; otherwise the error of the engine
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
  if (!pulled) throw new Error(`the image ${image} was removed right after it was pulled`);
  return pulled;
}
