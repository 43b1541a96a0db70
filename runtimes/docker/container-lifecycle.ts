import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { DockerSpec } from './spec.ts';
import { instanceNameOf } from '../instance-name.ts';
import { mayGoOn } from '../may-go-on.ts';
import { RuntimeUnavailable, SpecRejected } from '../runtime.ts';
import type { EffectContext, ProvisionRequest, RunningAgent, Runtime } from '../runtime.ts';
import { resolveConfig } from '../secret-references.ts';
import { awaitReady } from './await-ready.ts';
import type { ContainerReading } from './container-reading.ts';
import { configFolder, configName, containerOptions } from './container-spec.ts';
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

/** A container that is not started within this time after its creation belongs to a worker that crashed. */
const createdMs = 3_000;
const pollMs = 100;
/** How long workers may contend for one name. It is generous, because creating from a large image takes time. */
const contentionMs = 30_000;

/**
 * Starts and ends containers. A container's name is unique in the engine, so creating the container is the lock between
 * workers. Every step first inspects the container, because another worker may have changed it.
 */
export function createContainerLifecycle({
  engine,
  watcher,
  scope,
  logger,
}: LifecycleOptions): Pick<Runtime<DockerSpec>, 'provision' | 'cleanUp'> {
  async function provision(request: ProvisionRequest<DockerSpec>, context: EffectContext): Promise<RunningAgent> {
    const { signal } = context;
    const name = instanceNameOf(request.instanceId);
    const deadline = performance.now() + contentionMs;
    while (performance.now() < deadline) {
      const found = await engine.inspect(name, signal);
      if (!found) {
        const id = await create(request, signal);
        if (id !== undefined) return start(id, request, context);
        // Another worker has reserved the name, and its container can be inspected only once it is created.
        await delay(pollMs);
      } else if (found.instanceId !== request.instanceId) {
        throw new RuntimeUnavailable(
          `The container ${name} was not created by agents_worker. Remove it: docker rm -f ${name}`,
        );
      } else if (!(await mayGoOn(found, request, context))) {
        await end(found, context);
      } else if (found.phase === 'running') {
        return takeOver(found, request, signal);
      } else if (!(await isBeingStarted(found, signal))) {
        await end(found, context);
      }
    }
    throw new RuntimeUnavailable(`Other workers keep changing the container ${name}.`);
  }

  /** @returns the id; undefined when another worker was the first to create the container */
  async function create(request: ProvisionRequest<DockerSpec>, signal: AbortSignal): Promise<string | undefined> {
    const { image, ready } = request.spec;
    const { Config: config } = await ensureImage(engine, image, signal);
    const check = config.Healthcheck?.Test?.[0] ?? 'NONE';
    if (ready === 'healthcheck' && check === 'NONE') {
      const advice = 'Add one to the image, or publish the agent with "ready": "started".';
      throw new SpecRejected(
        `The image ${image} has no HEALTHCHECK, which would tell when the agent is ready. ${advice}`,
      );
    }
    signal.throwIfAborted();
    return engine
      .create(containerOptions({ request, imageUser: config.User ?? '', scope }))
      .catch(rethrowAsStartFailure);
  }

  async function start(
    id: string,
    request: ProvisionRequest<DockerSpec>,
    { signal, beforeStart }: EffectContext,
  ): Promise<RunningAgent> {
    const { instanceId, generation, spec } = request;
    await orUndo(id, instanceId, async () => {
      await beforeStart?.();
      const config = await resolveConfig(request);
      await engine.putFile(id, configFolder, configName, JSON.stringify(config)).catch(rethrowAsStartFailure);
      signal.throwIfAborted();
      await engine.start(id).catch(rethrowAsStartFailure);
      await awaitReady({ engine, id, spec, signal });
    });
    logger.info({ instanceId, runtimeId: id, generation }, 'container started');
    return { runtimeId: id, where: whereIs(instanceId) };
  }

  async function takeOver(
    { id }: ContainerReading,
    { instanceId, spec }: ProvisionRequest<DockerSpec>,
    signal: AbortSignal,
  ): Promise<RunningAgent> {
    await orUndo(id, instanceId, () => awaitReady({ engine, id, spec, signal }));
    return { runtimeId: id, where: whereIs(instanceId) };
  }

  /** Removes the container when the step fails; otherwise watches it for its end. */
  async function orUndo(id: string, instanceId: string, step: () => Promise<void>): Promise<void> {
    watcher.hold(id, instanceId);
    try {
      await step();
    } catch (error) {
      await engine.remove(id).catch((undoError: unknown) =>
        // The container keeps its name, so the next call for the instance removes it.
        logger.error(
          { err: undoError, instanceId, runtimeId: id },
          'the container of a failed start is not removed yet',
        ),
      );
      throw error;
    }
    watcher.watch(id, instanceId);
  }

  /** Waits while another worker may be about to start the container. False when the container ended or was abandoned. */
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
    // A removal that another caller began may still be under way.
    while (await engine.inspect(id, signal)) await delay(pollMs);
  }

  async function cleanUp(instanceId: string, context: EffectContext): Promise<void> {
    const found = await engine.inspect(instanceNameOf(instanceId), context.signal);
    if (found?.instanceId === instanceId) await end(found, context);
  }

  return { provision, cleanUp };
}

export function whereIs(instanceId: string): string {
  return `container ${instanceNameOf(instanceId)}`;
}

function rethrowAsStartFailure(error: unknown): never {
  throw asStartFailure(error);
}
