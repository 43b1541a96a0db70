import type { Logger } from 'pino';
import { instanceNameOf } from '../instance-name.ts';
import { explainErrors } from '../explain-errors.ts';
import type { KeptInstance, Runtime, RuntimeDescription } from '../runtime.ts';
import type { EngineAddress } from './connection.ts';
import { createContainerLifecycle, whereIs } from './container-lifecycle.ts';
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
    const where = whereIs(instanceId);
    return { phase, where, runtimeId: id, generation, since, ...(pid > 0 && { pid }), ...(output && { output }) };
  }

  async function list(): Promise<KeptInstance[]> {
    const containers = await engine.list(`${labels.scope}=${scope}`);
    return containers.flatMap(({ Labels }) => {
      const instanceId = Labels[labels.instanceId];
      return instanceId === undefined ? [] : [{ instanceId, generation: Number(Labels[labels.generation]) }];
    });
  }

  const { explained, guarded } = explainErrors((error) => asUnavailable(error, address.host));

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
