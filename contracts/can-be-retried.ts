import type { DesiredState, InstanceStatus, StatusReason } from './names.ts';

interface Standing {
  status: InstanceStatus;
  desired_state: DesiredState;
  reason: Pick<StatusReason, 'code'> | null;
}

/** Failed (also at its stop), in the pause before a restart, or ended by the retirement of its agent. */
export function canBeRetried({ status, desired_state: wanted, reason }: Standing): boolean {
  if (status === 'failed') return true;
  return wanted === 'running' && (reason?.code === 'restarting' || reason?.code === 'agent_retired');
}
