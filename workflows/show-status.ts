import { upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { InstanceStatus, StatusReason } from '../contracts/names.ts';
import { instanceStatusAttribute, statusReasonAttribute } from './search-attributes.ts';

/** Sets the search attributes, by which lists of workflows are filtered, to the status and the code of its reason. */
export function showStatus(status: InstanceStatus, reason?: StatusReason): void {
  const { typedSearchAttributes: shown } = workflowInfo();
  if (shown.get(instanceStatusAttribute) === status && shown.get(statusReasonAttribute) === reason?.code) return;
  upsertSearchAttributes([
    { key: instanceStatusAttribute, value: status },
    { key: statusReasonAttribute, value: reason?.code ?? null },
  ]);
}
