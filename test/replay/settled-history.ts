import type { WorkflowHandle } from '@temporalio/client';
import type { History } from '@temporalio/common/lib/proto-utils.js';
import { until } from '../../stack/until.ts';

/** The history once no workflow task is due and nothing was added for a moment. */
export async function settledHistory(handle: WorkflowHandle): Promise<History> {
  let latest: History = {};
  await until(async () => {
    const before = latest.events?.length;
    latest = await handle.fetchHistory();
    const last = latest.events?.at(-1);
    const due = last?.workflowTaskScheduledEventAttributes ?? last?.workflowTaskStartedEventAttributes;
    return latest.events?.length === before && !due;
  });
  return latest;
}
