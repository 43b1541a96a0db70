import type { WorkflowHandle } from '@temporalio/client';
import { instanceWorkflowId } from '../../contracts/names.ts';
import { readHistory } from '../support/history.ts';
import type { Rig } from '../support/rig.ts';
import { instanceStateQuery } from '../../workflows/instance-state-query.ts';

const mostDescribed = 5;

/** Everything that is known of the first instances that are not as their rows want, for whoever looks for the cause. */
export async function describeInstances({ pool, client }: Rig): Promise<string> {
  const { rows } = await pool.query<{ id: string }>(
    `select i.*, to_json(p.*) as placement, to_json(h.*) as host
     from instances i left join placements p on p.instance_id = i.id left join hosts h on h.id = p.host_id
     where i.status <> i.desired_state or i.observed_generation <> i.generation limit $1`,
    [mostDescribed],
  );
  const all = await Promise.all(
    rows.map(async (row) => [row, await describeWorkflow(client.workflow.getHandle(instanceWorkflowId(row.id)))]),
  );
  return JSON.stringify(all, null, 1);
}

async function describeWorkflow(handle: WorkflowHandle): Promise<object> {
  try {
    const { status, raw } = await handle.describe();
    const { text } = await readHistory(handle);
    const state = await handle.query(instanceStateQuery).catch(String);
    const { pendingActivities, pendingWorkflowTask } = raw;
    return { status: status.name, pendingActivities, pendingWorkflowTask, state, history: JSON.parse(text) as unknown };
  } catch (error) {
    return { error: String(error) };
  }
}
