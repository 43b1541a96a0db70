import { WorkflowFailedError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { gateWorkflowId, gateWorkflowType } from '../../contracts/names.ts';
import type { gateWorkflow, GateResult } from '../../workflows/gate/gate-workflow.ts';
import type { OpenRun } from './open-runs.ts';

export interface GateRequest {
  deploymentId: string;
  /** Counts the gates of the deployment. */
  batch: number;
  /** Its workers run the gate, whatever the routing says. They have to poll. */
  buildId: string;
  runs: OpenRun[];
  checksCandidate: boolean;
  limitSeconds: number;
  signal: AbortSignal;
}

/** Runs gates on the workers of builds. */
export function createGates({
  client,
  deploymentName,
  taskQueue,
}: {
  client: Client;
  deploymentName: string;
  taskQueue: string;
}) {
  return {
    /**
     * Starts the gate, or joins the one of the same batch, and waits for its result.
     *
     * @returns undefined if it did not end in time or was aborted. The gate is ended then.
     */
    runGate: async (request: GateRequest): Promise<GateResult | undefined> => {
      const { deploymentId, batch, buildId, runs, checksCandidate, limitSeconds, signal } = request;
      const handle = await client.workflow.start<typeof gateWorkflow>(gateWorkflowType, {
        workflowId: gateWorkflowId(deploymentId, batch),
        workflowIdConflictPolicy: 'USE_EXISTING',
        taskQueue,
        args: [{ buildId, runs, checksCandidate }],
        versioningOverride: { pinnedTo: { deploymentName, buildId } },
        workflowExecutionTimeout: limitSeconds * 1_000,
        staticSummary: `Replay ${runs.length} runs on the build ${buildId}`,
      });
      try {
        return await client.withAbortSignal(signal, () => handle.result());
      } catch (error) {
        if (!(error instanceof WorkflowFailedError) && !signal.aborted) throw error;
        await handle.terminate('The deployer does not wait for it any more.').catch((refusal: unknown) => {
          if (!(refusal instanceof WorkflowNotFoundError)) throw refusal;
        });
        return undefined;
      }
    },
  };
}
