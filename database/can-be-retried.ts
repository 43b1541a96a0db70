import type { DesiredState, InstanceStatus, StatusReason } from '../contracts/names.ts';

interface InstanceState {
  status: InstanceStatus;
  desired_state: DesiredState;
  reason: Pick<StatusReason, 'code'> | null;
}

/**
 * Whether a retry has an effect: the instance failed (perhaps while it was stopped), waits for a restart, or was stopped
 * because its agent was retired.
 */
export function canBeRetried({ status, desired_state: desiredState, reason }: InstanceState): boolean {
  if (status === 'failed') return true;
  return desiredState === 'running' && (reason?.code === 'restarting' || reason?.code === 'agent_retired');
}
