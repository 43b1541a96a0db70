import { patched, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { InstanceStatus, StatusReason } from '../contracts/names.ts';
import { instanceStatusAttribute, statusReasonAttribute } from './search-attributes.ts';

/** Makes the status and the code of its reason what lists of workflows are filtered by, where they are not yet. */
export function showStatus(status: InstanceStatus, reason?: StatusReason): void {
  // Runs that began earlier upserted at every status, also at one that was shown already (docs/replay.md).
  if (!patched('status-reason-attribute')) {
    upsertSearchAttributes([{ key: instanceStatusAttribute, value: status }]);
    return;
  }
  const { typedSearchAttributes: shown } = workflowInfo();
  if (shown.get(instanceStatusAttribute) === status && shown.get(statusReasonAttribute) === reason?.code) return;
  upsertSearchAttributes([
    { key: instanceStatusAttribute, value: status },
    { key: statusReasonAttribute, value: reason?.code ?? null },
  ]);
}
