import { readPlacement } from '../database/hosts/placements.ts';
import { adoptInstance } from '../database/hosts/leases.ts';
import { readRunnable } from './read-runnable.ts';
import { createHostActivities, type HostActivityDependencies, type ServedHost } from './host-activities.ts';
import type { HostActivities } from '../workflows/activities.ts';
import { RuntimeUnavailable } from '../runtimes/runtime.ts';

interface SharedHostActivityDependencies extends Omit<HostActivityDependencies, 'host'> {
  /** The hosts that this worker serves by now. */
  servedHosts: () => readonly ServedHost[];
}

/**
 * The activities that runs of workflows from before there were hosts have scheduled on the shared task queue. They act on the hosts of
 * the worker that takes them, and fail where an instance is placed on another one, so that another worker takes them.
 */
export function createSharedHostActivities({
  servedHosts,
  ...dependencies
}: SharedHostActivityDependencies): HostActivities {
  const { pool, allowedRuntimes } = dependencies;
  return {
    provision: async (input) => {
      const { instanceId } = input;
      const found = await readRunnable(pool, instanceId, allowedRuntimes);
      if (found.outcome !== 'runnable') return found;
      const { kind } = found.spec;
      const host = servedHosts().find((served) => served.kind === kind);
      if (!host) throw new RuntimeUnavailable(`This worker has no host for agents of the kind ${kind}.`);
      await adoptInstance(pool, host.id, instanceId);
      const result = await createHostActivities({ ...dependencies, host }).provision(input);
      if (result.outcome === 'misplaced') throw elsewhere(instanceId);
      return result;
    },

    cleanUp: async (input) => {
      await Promise.all(servedHosts().map((host) => createHostActivities({ ...dependencies, host }).cleanUp(input)));
      if (await readPlacement(pool, input.instanceId)) throw elsewhere(input.instanceId);
    },
  };
}

function elsewhere(instanceId: string): RuntimeUnavailable {
  return new RuntimeUnavailable(`The instance ${instanceId} is placed on a host that this worker does not serve.`);
}
