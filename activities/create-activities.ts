import { setTimeout as delay } from 'node:timers/promises';
import { ApplicationFailure, cancellationSignal, heartbeat } from '@temporalio/activity';
import { ApplicationFailureCategory } from '@temporalio/common';
import type { Pool } from 'pg';
import { z } from 'zod';
import { controlQueueName, type ProvisioningFailureCode } from '../contracts/names.ts';
import type { RestartSpec } from '../contracts/runtime-spec.ts';
import { runtimeSpec, type RuntimeName, type Runtimes } from '../runtimes/registry.ts';
import { readRowState, readRunnableInstance, recordFinalStatus, recordStatus } from '../database/instances/status.ts';
import { AgentNotReady, RuntimeUnavailable, SpecRejected } from '../runtimes/runtime.ts';
import type { EffectContext } from '../runtimes/runtime.ts';
import type { InstanceActivities } from '../workflows/activities.ts';
import type { RestartPolicy } from '../workflows/restart-policy.ts';
import type { ControlPlane } from './control-plane.ts';

export interface ActivityDependencies {
  pool: Pool;
  runtimes: Runtimes;
  /** The kinds of agents that may be started here. What runs already is still ended, whatever its kind. */
  allowedRuntimes: readonly RuntimeName[];
  control: ControlPlane;
}

/** Marks a failure that the worker did not cause, so that the SDK does not log it as an error. */
const benign = ApplicationFailureCategory.BENIGN;

export function createActivities({
  pool,
  runtimes,
  allowedRuntimes,
  control,
}: ActivityDependencies): InstanceActivities {
  return {
    provision: async ({ instanceId, resumeGeneration, cause }) => {
      const found = await readRunnableInstance(pool, instanceId);
      if (!found) return { outcome: 'gone' };
      const { row, agentId, config, agent, running } = found;
      if (row.desiredState === 'stopped') return { outcome: 'notWanted', row };
      if (!agent) return { outcome: 'agentMissing', row, message: `The agent ${agentId} is not published yet.` };
      // A workflow that was terminated has forgotten what ran; the row says it.
      const goesOn = row.generation === resumeGeneration || (running && !agent.drain);
      if (agent.retired && !goesOn) throw cannotRun('agent_retired', `The agent ${agentId} was retired.`);
      const spec = runtimeSpec.safeParse(agent.runtime);
      if (!spec.success) {
        throw cannotRun(
          'spec_rejected',
          `What agent ${agentId} needs to run is invalid: ${z.prettifyError(spec.error)}`,
        );
      }
      const { kind } = spec.data;
      if (!allowedRuntimes.includes(kind)) {
        const allowed = `ALLOWED_RUNTIMES of agents_worker is ${allowedRuntimes.join(',')}`;
        throw cannotRun('spec_rejected', `An agent of the kind ${kind} must not be started: ${allowed}.`);
      }
      const listens = spec.data.control;
      const request = {
        instanceId,
        agentId,
        generation: row.generation,
        spec: spec.data,
        config,
        ...(listens && { control: { url: agentUrlOf(control), queue: controlQueueName(instanceId) } }),
      };
      const context: EffectContext = {
        ...effectContext((signal) => control.requestStop({ instanceId, reason: 'replaced', cause, signal })),
        isRestored: async (higherGeneration) => {
          const now = await readRowState(pool, instanceId);
          return now !== null && now.generation === row.generation && now.generation < higherGeneration;
        },
        beforeStart: listens ? () => control.openQueue({ instanceId, agentId }) : undefined,
      };
      try {
        const { runtimeId } = await runtimes[kind].provision(request, context);
        return { outcome: 'provisioned', row, runtimeId, restart: toRestartPolicy(spec.data.restart) };
      } catch (error) {
        throw asFailure(error);
      }
    },

    // The row, and with it the kind of runtime, may be gone: every driver tolerates that there is nothing to do.
    cleanUp: async ({ instanceId, reason = 'deleted', cause }) => {
      const context = effectContext((signal) => control.requestStop({ instanceId, reason, cause, signal }));
      await Promise.all(Object.values(runtimes).map((runtime) => runtime.cleanUp(instanceId, context)));
      await control.removeQueue(instanceId);
    },

    readRow: ({ instanceId }) => readRowState(pool, instanceId),

    recordStatus: (input) => recordStatus(pool, input),

    recordFinalStatus: async ({ instanceId, cause }) => {
      // The sweeper may have made the queue again since the clean-up. A RabbitMQ that is away holds nothing up: it removes
      // the queue by itself once nobody has used it for a day.
      const removed = control.removeQueue(instanceId).catch(() => undefined);
      await Promise.race([removed, delay(2_000, undefined, { ref: false })]);
      return recordFinalStatus(pool, instanceId, cause);
    },
  };
}

/** @throws RuntimeUnavailable: the agent waits, as the worker's own login must never reach it. */
function agentUrlOf({ agentUrl }: ControlPlane): string {
  if (agentUrl !== undefined) return agentUrl;
  throw new RuntimeUnavailable(
    'The agent listens for commands, and agents_worker has no account of RabbitMQ to give to it: set CONTROL_AMQP_URL ' +
      'of agents_worker.',
  );
}

function toRestartPolicy(spec: RestartSpec): RestartPolicy {
  return {
    policy: spec.policy,
    maxRestarts: spec.max_restarts,
    backoffMs: spec.backoff_seconds * 1000,
    maxBackoffMs: spec.max_backoff_seconds * 1000,
    resetAfterMs: spec.reset_after_seconds * 1000,
  };
}

function effectContext(askToStop: (signal: AbortSignal) => Promise<void>): EffectContext {
  const signal = cancellationSignal();
  return { signal, heartbeat: () => heartbeat(), beforeStop: () => askToStop(signal) };
}

function cannotRun(type: ProvisioningFailureCode, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true, category: benign });
}

/** Other errors are not caused by the instance. They pass unchanged, and Temporal retries the activity forever. */
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
