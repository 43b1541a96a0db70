import type { Logger } from 'pino';
import { instanceNameOf } from '../instance-name.ts';
import { AgentNotReady, RuntimeUnavailable, SpecRejected } from '../runtime.ts';
import type { EffectContext, KeptInstance, Runtime, RuntimeDescription } from '../runtime.ts';
import { withHeartbeat } from '../with-heartbeat.ts';
import type { EngineAddress } from './connection.ts';
import { createContainerLifecycle } from './container-lifecycle.ts';
import { labels } from './container-spec.ts';
import { createContainerWatcher } from './container-watcher.ts';
import { asUnavailable } from './engine-error.ts';
import { openEngine } from './engine.ts';
import { identifyEngine } from '../engine-identity.ts';
import type { DockerSpec } from './spec.ts';

export interface DockerRuntimeOptions extends EngineAddress {
  /** The runtime watches and lists only containers of this scope, because several systems may share an engine. */
  scope: string;
  logger: Logger;
}

const ownErrors = [SpecRejected, AgentNotReady, RuntimeUnavailable];

/**
 * Runs each agent as a container of a Docker engine, which any number of workers may share (see README.md). It sends no
 * request until a call needs one, and `watch` also resolves where no engine answers.
 */
export function createDockerRuntime({ scope, logger, ...address }: DockerRuntimeOptions): Runtime<DockerSpec> {
  const engine = openEngine(address);
  const watcher = createContainerWatcher({ engine, scope, logger });
  const { provision, cleanUp } = createContainerLifecycle({ engine, watcher, scope, logger });

  async function describe(instanceId: string): Promise<RuntimeDescription | undefined> {
    const found = await engine.inspect(instanceNameOf(instanceId));
    if (found?.instanceId !== instanceId) return undefined;
    const { id, generation, pid, since } = found;
    const output = await engine.lastOutput(id);
    const phase = found.phase === 'created' ? 'starting' : found.phase;
    return { phase, runtimeId: id, generation, since, ...(pid > 0 && { pid }), ...(output && { output }) };
  }

  async function list(): Promise<KeptInstance[]> {
    const containers = await engine.list(`${labels.scope}=${scope}`);
    return containers.flatMap(({ Labels }) => {
      const instanceId = Labels[labels.instanceId];
      return instanceId === undefined ? [] : [{ instanceId, generation: Number(Labels[labels.generation]) }];
    });
  }

  /** Turns every error that is the engine's fault into RuntimeUnavailable, after which the caller tries again. */
  async function explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (ownErrors.some((known) => error instanceof known) || error instanceof TypeError) throw error;
      throw asUnavailable(error, address.host);
    }
  }

  async function guarded<T>(context: EffectContext, work: () => Promise<T>): Promise<T> {
    try {
      return await withHeartbeat(context, () => explained(work));
    } catch (error) {
      context.signal.throwIfAborted();
      throw error;
    }
  }

  return {
    provision: (request, context) => guarded(context, () => provision(request, context)),
    cleanUp: (instanceId, context) => guarded(context, () => cleanUp(instanceId, context)),
    watch: (report) => watcher.start(report),
    describe: (instanceId) => explained(() => describe(instanceId)),
    list: () => explained(list),
    lease: undefined,
    identify: () => explained(async () => identifyEngine(await engine.identify(), scope)),
    close: async () => watcher.close(),
  };
}
