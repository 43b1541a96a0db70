import { ApplicationFailure } from '@temporalio/activity';
import type { Pool } from 'pg';
import { controlQueueName } from '../contracts/names.ts';
import type { RestartSpec } from '../contracts/runtime-spec.ts';
import { forgetPlacement, readPlacement } from '../database/hosts/placements.ts';
import { readRowState } from '../database/instances/status.ts';
import type { RuntimeName } from '../runtimes/registry.ts';
import { bootSeconds } from '../runtimes/boot-clock.ts';
import {
  AgentNotReady,
  RuntimeUnavailable,
  SpecRejected,
  type EffectContext,
  type HostSecrets,
  type Runtime,
} from '../runtimes/runtime.ts';
import { inSpan } from '../tracing/trace.ts';
import type { RestartPolicy } from '../workflows/restart-policy.ts';
import type { ControlPlane } from './control-plane.ts';
import { benign, cannotRun, readRunnable } from './read-runnable.ts';
import type { HostSteps, ProvisionResult, StepContext } from './steps.ts';

/** A host that this worker serves. */
export interface ServedHost {
  id: string;
  kind: RuntimeName;
  runtime: Runtime;
}

export interface HostStepDependencies {
  pool: Pool;
  /** The kinds of agents that may be started here. What runs already is still ended, whatever its kind. */
  allowedRuntimes: readonly RuntimeName[];
  control: ControlPlane;
  host: ServedHost;
  /** What configs may refer to. */
  hostSecrets: HostSecrets;
}

export function createHostSteps({
  pool,
  allowedRuntimes,
  control,
  host: { id: hostId, kind, runtime },
  hostSecrets,
}: HostStepDependencies): HostSteps {
  const { lease } = runtime;
  const spanOf = (name: string) => () => ({ name, attributes: { 'runtime.kind': kind, 'host.id': hostId } });
  const cleanUp: Runtime['cleanUp'] = (...input) => inSpan(spanOf('runtime cleanUp'), () => runtime.cleanUp(...input));

  /**
   * Removes everything of the instance, and the placement last: as long as anything may be left here, the placement says so. If the
   * instance is placed on another host by now, the control queue belongs to its agent there.
   */
  const leaveNothing = async (instanceId: string, context: EffectContext): Promise<void> => {
    const { hostId: home = hostId } = (await readPlacement(pool, instanceId)) ?? {};
    if (home !== hostId) return cleanUp(instanceId, { ...context, beforeStop: undefined });
    await cleanUp(instanceId, context);
    await control.removeQueue(instanceId);
    await forgetPlacement(pool, instanceId, hostId);
  };

  return {
    provision: async ({ instanceId, resumeGeneration, cause }, step): Promise<ProvisionResult> => {
      const since = bootSeconds();
      const placement = await readPlacement(pool, instanceId);
      if (placement?.hostId !== hostId) return { outcome: 'misplaced' };
      const found = await readRunnable(pool, instanceId, allowedRuntimes);
      if (found.outcome !== 'runnable') return found;
      const { row, agentId, config, agent, running, spec } = found;
      // A workflow that was terminated has forgotten what ran; the row says it.
      const goesOn = row.generation === resumeGeneration || (running && !agent.drain);
      if (agent.retired && !goesOn) throw cannotRun('agent_retired', `The agent ${agentId} was retired.`);
      const toStop = effectContext(step, (signal) =>
        control.requestStop({ instanceId, reason: 'replaced', cause, signal }),
      );
      try {
        if (spec.kind !== kind) {
          await leaveNothing(instanceId, toStop);
          return { outcome: 'misplaced' };
        }
        const listens = spec.control;
        const request = {
          instanceId,
          agentId,
          generation: row.generation,
          spec,
          config,
          hostSecrets,
          replaceAfterSeconds: placement.replaceAfterSeconds ?? undefined,
          ...(listens && { control: { url: agentUrlOf(control), queue: controlQueueName(instanceId) } }),
        };
        const context: EffectContext = {
          ...toStop,
          isRestored: async (higherGeneration) => {
            const now = await readRowState(pool, instanceId);
            return now !== null && now.generation === row.generation && now.generation < higherGeneration;
          },
          mayStart: lease && (() => lease.hasHeldSince(since)),
          beforeStart: listens ? () => control.openQueue({ instanceId, agentId }) : undefined,
        };
        const { runtimeId, where } = await inSpan(spanOf('runtime provision'), () =>
          runtime.provision(request, context),
        );
        return { outcome: 'provisioned', row, runtimeId, where, restart: toRestartPolicy(spec.restart) };
      } catch (error) {
        throw asFailure(error);
      }
    },

    cleanUp: ({ instanceId, reason, cause }, step) =>
      leaveNothing(
        instanceId,
        effectContext(step, (signal) => control.requestStop({ instanceId, reason, cause, signal })),
      ),
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

function effectContext(step: StepContext, askToStop: (signal: AbortSignal) => Promise<void>): EffectContext {
  return { ...step, beforeStop: () => askToStop(step.signal) };
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
