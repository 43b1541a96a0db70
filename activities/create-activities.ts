import { ApplicationFailure, cancellationSignal, heartbeat } from '@temporalio/activity';
import { ApplicationFailureCategory } from '@temporalio/common';
import type { Pool } from 'pg';
import { z } from 'zod';
import { runtimeSpec, type RuntimeSpec } from '../contracts/runtime-spec.ts';
import type { FailureCode } from '../contracts/names.ts';
import { AgentNotReady, SpecRejected, type EffectContext, type Runtime } from '../runtimes/runtime.ts';
import type { InstanceActivities } from '../workflows/activities.ts';
import { readInstance, writeFinalStatus, writeStatus } from './instances.ts';

export interface ActivityDependencies {
  pool: Pool;
  /** One driver per kind of runtime. */
  runtimes: { [Kind in RuntimeSpec['kind']]: Runtime<Extract<RuntimeSpec, { kind: Kind }>> };
}

/** Not a fault of the worker: the SDK then does not log it as one. */
const benign = ApplicationFailureCategory.BENIGN;

export function createActivities({ pool, runtimes }: ActivityDependencies): InstanceActivities {
  return {
    provision: async ({ instanceId }) => {
      const found = await readInstance(pool, instanceId);
      if (!found) return { outcome: 'gone' };
      const { row, agentId, config, agent } = found;
      if (row.desiredState === 'stopped') return { outcome: 'notWanted', row };
      if (!agent) throw cannotRun('agent_unknown', `No agent ${agentId} was published.`);
      if (agent.retired) throw cannotRun('agent_retired', `The agent ${agentId} was retired.`);
      const spec = runtimeSpec.safeParse(agent.runtime);
      if (!spec.success) {
        throw cannotRun(
          'spec_rejected',
          `What agent ${agentId} needs to run is invalid: ${z.prettifyError(spec.error)}`,
        );
      }
      const request = { instanceId, agentId, generation: row.generation, spec: spec.data, config };
      try {
        const { runtimeId } = await runtimes[spec.data.kind].provision(request, effectContext());
        return { outcome: 'provisioned', row, runtimeId };
      } catch (error) {
        throw asFailure(error);
      }
    },

    // The row, and with it the kind of runtime, may be gone: every driver tolerates that there is nothing to do.
    cleanUp: async ({ instanceId }) => {
      await Promise.all(Object.values(runtimes).map((runtime) => runtime.cleanUp(instanceId, effectContext())));
    },

    recordStatus: (input) => writeStatus(pool, input),

    recordFinalStatus: ({ instanceId, cause }) => writeFinalStatus(pool, instanceId, cause),
  };
}

function effectContext(): EffectContext {
  return { signal: cancellationSignal(), heartbeat: () => heartbeat() };
}

function cannotRun(type: FailureCode, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true, category: benign });
}

/** Errors that are not the instance's fault pass as they are, and are retried without an end. */
function asFailure(error: unknown): unknown {
  if (error instanceof SpecRejected) {
    return ApplicationFailure.create({
      type: 'spec_rejected',
      message: error.message,
      nonRetryable: true,
      category: benign,
      cause: error,
    });
  }
  if (error instanceof AgentNotReady) {
    return ApplicationFailure.create({
      type: 'provisioning_failed',
      message: error.message,
      category: benign,
      cause: error,
    });
  }
  return error;
}
