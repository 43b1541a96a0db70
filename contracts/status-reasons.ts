import type { InstanceStatus, ReasonCode } from './names.ts';

/** The values of `metadata.status_reason.code` in `instance.updated`, with the status that each belongs to. */
export const statusReasons: Readonly<Record<ReasonCode, { statuses: readonly InstanceStatus[]; why: string }>> = {
  agent_unknown: { statuses: ['pending'], why: 'the agent is not published yet' },
  restarting: { statuses: ['pending'], why: 'the agent ended, and is started again after a pause' },
  agent_retired: {
    statuses: ['failed', 'stopped'],
    why: 'the agent was retired before the instance started, or with `drain`',
  },
  spec_rejected: { statuses: ['failed'], why: 'the runtime spec of the agent cannot be run' },
  provisioning_failed: { statuses: ['failed'], why: 'every attempt to start the agent failed' },
  agent_exited: { statuses: ['failed'], why: 'the agent ended, and its restart policy or limit allows no restart' },
  cleanup_failed: { statuses: ['failed'], why: 'the clean-up did not finish in time; it is tried again later' },
  no_host: { statuses: ['pending'], why: 'no host can take the instance now; placing it is tried again' },
  host_lost: {
    statuses: ['pending'],
    why: 'the host of the agent gives no sign of life; whether the agent runs is not known',
  },
  moving: { statuses: ['pending'], why: 'the instance moves to another host, because its host is drained' },
};
