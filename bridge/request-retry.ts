import { randomUUID } from 'node:crypto';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { instanceWorkflowId } from '../contracts/names.ts';
import { instanceMessageSignal } from '../workflows/messages.ts';

/** Asks the workflow of an instance to try again. False when no workflow looks after it: the sweeper starts one. */
export async function requestRetry(client: Client, instanceId: string): Promise<boolean> {
  const workflow = client.workflow.getHandle(instanceWorkflowId(instanceId));
  try {
    await workflow.signal(instanceMessageSignal, { type: 'retryRequested', requestId: randomUUID() });
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
