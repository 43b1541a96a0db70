import type { Client } from '@temporalio/client';
import { instanceWorkflowType, rolloutWorkflowType } from '../../contracts/names.ts';

export interface OpenRun {
  workflowId: string;
  runId: string;
}

/** Workflows that outlive a deployment. A sweep is over within a minute, and the next one starts on its own. */
const lastingTypes = [instanceWorkflowType, rolloutWorkflowType];

/** Lists the open runs of an engine by Temporal's visibility, which lags by about a second. */
export function createOpenRuns({
  client,
  deploymentName,
  taskQueue,
}: {
  client: Client;
  deploymentName: string;
  taskQueue: string;
}) {
  const types = lastingTypes.map((type) => `'${type}'`).join(', ');
  const all = `TaskQueue = '${taskQueue}' and ExecutionStatus = 'Running' and WorkflowType in (${types})`;
  const list = async function* (query: string): AsyncGenerator<OpenRun> {
    for await (const { workflowId, runId } of client.workflow.list({ query, pageSize: 500 })) {
      yield { workflowId, runId };
    }
  };

  return {
    list: () => list(all),
    /** Runs whose last workflow task a build completed. A run whose tasks fail on the build is not among them. */
    listLastOn: (buildId: string) =>
      list(`${all} and TemporalWorkerDeploymentVersion = '${deploymentName}:${buildId}'`),
  };
}
