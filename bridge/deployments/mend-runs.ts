import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { rolloutWorkflowId } from '../../contracts/names.ts';
import { instanceMessageSignal, type InstanceMessage } from '../../workflows/messages.ts';
import { rolloutChangedSignal } from '../../workflows/rollouts/messages.ts';
import type { OpenRun } from './open-runs.ts';
import { grpcCodes, grpcErrorOf } from '../signals/temporal-refusal.ts';

export interface MendRunsOptions {
  client: Client;
  deploymentName: string;
  identity: string;
}

/** Takes single runs back from a build, or holds them on one. */
export function createRunMender({ client, deploymentName, identity }: MendRunsOptions) {
  const { namespace } = client.options;
  const service = client.workflowService;

  const override = async ({ workflowId }: OpenRun, versioningOverride: object | null): Promise<void> => {
    try {
      await service.updateWorkflowExecutionOptions({
        namespace,
        workflowExecution: { workflowId },
        workflowExecutionOptions: { versioningOverride },
        updateMask: { paths: ['versioning_override'] },
        identity,
      });
    } catch (error) {
      if (grpcErrorOf(error)?.code !== grpcCodes.notFound) throw error;
    }
  };

  return {
    /** Keeps a run on a build, whatever the routing says. */
    hold: (run: OpenRun, buildId: string) =>
      override(run, { pinned: { behavior: pinned, version: { deploymentName, buildId } } }),
    release: (run: OpenRun) => override(run, null),

    /** Lets the next task of a run go where the routing says, and not to the worker that has the run in its cache. */
    unstick: async ({ workflowId }: OpenRun): Promise<void> => {
      try {
        await service.resetStickyTaskQueue({ namespace, execution: { workflowId } });
      } catch (error) {
        if (grpcErrorOf(error)?.code !== grpcCodes.notFound) throw error;
      }
    },

    /**
     * Gives a run a workflow task. If another build takes it than the one before, Temporal hands the steps that wait for their next attempt
     * out with it, at once.
     *
     * Nothing resets such a step itself (`ResetActivity`): the server (up to 1.29) loses a step that was reset when its run comes to another
     * build later, and the run waits for it for good.
     */
    nudge: async ({ workflowId }: Pick<OpenRun, 'workflowId'>): Promise<void> => {
      const handle = client.workflow.getHandle(workflowId);
      const isRollout = workflowId.startsWith(rolloutWorkflowId(''));
      try {
        await (isRollout
          ? handle.signal(rolloutChangedSignal)
          : handle.signal(instanceMessageSignal, { type: 'checkRequested' } satisfies InstanceMessage));
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    },

    /**
     * Resets a run to the last workflow task that a build completed, or to its first one if the run began on another build. The signals
     * since then are applied again, and so are the activities.
     *
     * @param buildId null for workers without a version
     * @param requestId repeated for the same reset, which then happens once
     * @returns false if there is nothing to reset: the run is closed, or completed no workflow task
     */
    reset: async (
      run: OpenRun,
      { buildId, reason, requestId }: { buildId: string | null; reason: string; requestId: string },
    ): Promise<boolean> => {
      const history = await client.workflow.getHandle(run.workflowId, run.runId).fetchHistory();
      const completed = (history.events ?? []).flatMap(({ eventId, workflowTaskCompletedEventAttributes: task }) => {
        if (!task) return [];
        const version = task.deploymentVersion;
        const isOwn = version?.deploymentName === deploymentName && version.buildId === buildId;
        return [{ eventId, isOf: buildId === null ? !version?.buildId : isOwn }];
      });
      const task = completed.findLast(({ isOf }) => isOf) ?? completed[0];
      if (!task) return false;
      try {
        await service.resetWorkflowExecution({
          namespace,
          workflowExecution: run,
          reason,
          requestId,
          identity,
          workflowTaskFinishEventId: task.eventId ?? null,
        });
        return true;
      } catch (error) {
        if (grpcErrorOf(error)?.code === grpcCodes.notFound) return false;
        throw error;
      }
    },
  };
}

/** A value of `PinnedOverrideBehavior` in Temporal's API. */
const pinned = 1;
