import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { DockerSpec } from './spec.ts';
import { mayGoOn } from '../may-go-on.ts';
import { RuntimeUnavailable, SpecRejected } from '../runtime.ts';
import type { EffectContext, ProvisionRequest, RunningAgent, Runtime } from '../runtime.ts';
import { awaitReady } from './await-ready.ts';
import type { ContainerReading } from './container-reading.ts';
import { configFolder, configName, containerNameOf, containerOptions } from './container-spec.ts';
import type { ContainerWatcher } from './container-watcher.ts';
import { asStartFailure } from './engine-error.ts';
import type { DockerEngine } from './engine.ts';
import { ensureImage } from './image.ts';

interface LifecycleOptions {
  engine: DockerEngine;
  watcher: ContainerWatcher;
  scope: string;
  logger: Logger;
}

/** How long a container that somebody created may take until it is started; longer, and its creator has crashed. */
const createdMs = 3_000;
const pollMs = 100;
/** How long several workers may get in each other's way: not for ever, but creating from a large image takes time. */
const contentionMs = 30_000;

/**
 * Start and end of containers. The name is unique in the engine, so creating it is the lock; every step looks at what
 * is there, also what another worker has made of it meanwhile.
 */
export function createContainerLifecycle({
  engine,
  watcher,
  scope,
  logger,
}: LifecycleOptions): Pick<Runtime<DockerSpec>, 'provision' | 'cleanUp'> {
  async function provision(request: ProvisionRequest<DockerSpec>, context: EffectContext): Promise<RunningAgent> {
    const { signal } = context;
    const name = containerNameOf(request.instanceId);
    const deadline = performance.now() + contentionMs;
    while (performance.now() < deadline) {
      const found = await engine.inspect(name, signal);
      if (!found) {
        const id = await create(request, signal);
        if (id !== undefined) return start(id, request, context);
        // The name is taken from the moment that another worker asks for it, the container seen only once it is made.
        await delay(pollMs);
      } else if (found.instanceId !== request.instanceId) {
        throw new RuntimeUnavailable(`The container ${name} is none of ours. Remove it: docker rm -f ${name}`);
      } else if (!(await mayGoOn(found, request, context))) {
        await end(found, context);
      } else if (found.phase === 'running') {
        return takeOver(found, request, signal);
      } else if (!(await isBeingStarted(found, signal))) {
        await end(found, context);
      }
    }
    throw new RuntimeUnavailable(`Other workers keep changing the container ${name}; try again.`);
  }

  /** @returns the id; undefined when another worker was faster */
  async function create(request: ProvisionRequest<DockerSpec>, signal: AbortSignal): Promise<string | undefined> {
    const { image, ready } = request.spec;
    const { Config: config } = await ensureImage(engine, image, signal);
    const check = config.Healthcheck?.Test?.[0] ?? 'NONE';
    if (ready === 'healthcheck' && check === 'NONE') {
      const advice = 'Give it one, or publish the agent with "ready": "started".';
      throw new SpecRejected(`The image ${image} has no HEALTHCHECK to tell when the agent is ready. ${advice}`);
    }
    signal.throwIfAborted();
    return engine
      .create(containerOptions({ request, imageUser: config.User ?? '', scope }))
      .catch(rethrowAsStartFailure);
  }

  async function start(
    id: string,
    { instanceId, generation, spec, config }: ProvisionRequest<DockerSpec>,
    { signal, beforeStart }: EffectContext,
  ): Promise<RunningAgent> {
    await orUndo(id, instanceId, async () => {
      await beforeStart?.();
      await engine.putFile(id, configFolder, configName, JSON.stringify(config)).catch(rethrowAsStartFailure);
      signal.throwIfAborted();
      await engine.start(id).catch(rethrowAsStartFailure);
      await awaitReady({ engine, id, spec, signal });
    });
    logger.info({ instanceId, runtimeId: id, generation }, 'container started');
    return { runtimeId: id };
  }

  async function takeOver(
    { id }: ContainerReading,
    { instanceId, spec }: ProvisionRequest<DockerSpec>,
    signal: AbortSignal,
  ): Promise<RunningAgent> {
    await orUndo(id, instanceId, () => awaitReady({ engine, id, spec, signal }));
    return { runtimeId: id };
  }

  /** When the step fails, nothing of the start is left; else its end is watched from now on. */
  async function orUndo(id: string, instanceId: string, step: () => Promise<void>): Promise<void> {
    watcher.hold(id, instanceId);
    try {
      await step();
    } catch (error) {
      await engine.remove(id).catch((undoError: unknown) =>
        // It stays under its name, so the next call for the instance ends it.
        logger.error({ err: undoError, instanceId, runtimeId: id }, 'a failed start is not undone yet'),
      );
      throw error;
    }
    watcher.watch(id, instanceId);
  }

  /** Whether somebody is at work on a container that is not started yet: then there is another look to be had at it. */
  async function isBeingStarted({ id, phase }: ContainerReading, signal: AbortSignal): Promise<boolean> {
    const deadline = performance.now() + createdMs;
    let current: ContainerReading['phase'] | undefined = phase;
    while (current === 'created') {
      if (performance.now() >= deadline) return false;
      await delay(pollMs);
      current = (await engine.inspect(id, signal))?.phase;
    }
    return current !== 'ended';
  }

  async function end(found: ContainerReading, { signal, beforeStop }: EffectContext): Promise<void> {
    const { id, instanceId = '', phase, stopGraceSeconds } = found;
    watcher.hold(id, instanceId);
    if (phase === 'running' && stopGraceSeconds > 0) {
      await beforeStop?.();
      await engine.stop(id, stopGraceSeconds, signal);
    }
    await engine.remove(id);
    // A removal that somebody else had begun may take a moment longer.
    while (await engine.inspect(id, signal)) await delay(pollMs);
  }

  async function cleanUp(instanceId: string, context: EffectContext): Promise<void> {
    const found = await engine.inspect(containerNameOf(instanceId), context.signal);
    if (found?.instanceId === instanceId) await end(found, context);
  }

  return { provision, cleanUp };
}

function rethrowAsStartFailure(error: unknown): never {
  throw asStartFailure(error);
}
