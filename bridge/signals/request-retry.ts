import { randomUUID } from 'node:crypto';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { instanceWorkflowId } from '../../contracts/names.ts';
import { instanceMessageSignal } from '../../workflows/messages.ts';

/**
 * Asks for another try of an instance.
 *
 * @returns whether there is a workflow to ask; the sweeper starts one that is missing
 */
export async function requestRetry(client: Client, instanceId: string): Promise<boolean> {
  try {
    await client.workflow
      .getHandle(instanceWorkflowId(instanceId))
      .signal(instanceMessageSignal, { type: 'retryRequested', requestId: randomUUID() });
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
