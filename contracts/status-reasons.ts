import type { InstanceStatus, ReasonCode } from './names.ts';

/** What `metadata.status_reason.code` of `instance.updated` may say, and with which status. */
export const statusReasons: Readonly<Record<ReasonCode, { statuses: readonly InstanceStatus[]; why: string }>> = {
  agent_unknown: { statuses: ['pending'], why: 'the agent is not published yet' },
  restarting: { statuses: ['pending'], why: 'the agent ended and is started again after a pause' },
  agent_retired: {
    statuses: ['failed', 'stopped'],
    why: 'the agent was retired before the start, or its retirement says drain',
  },
  spec_rejected: { statuses: ['failed'], why: 'what is published of the agent cannot be run' },
  provisioning_failed: { statuses: ['failed'], why: 'the start failed as often as it is tried' },
  agent_exited: { statuses: ['failed'], why: 'the agent ended, and its restart policy or limit lets it be' },
  cleanup_failed: { statuses: ['failed'], why: 'what was made for it could not be removed in time; tried again later' },
};
