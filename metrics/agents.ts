import { counter, histogram } from './define.ts';

const of = ['agents_worker'] as const;

/** What agents_worker does with agents, and what becomes of them. */

export const startSeconds = histogram(
  {
    name: 'agent_start_seconds',
    help: 'Duration of the tries to start an agent, so that the count is that of the starts. `outcome`: `provisioned`; a reason of the status, such as `provisioning_failed`; `not_wanted`, where the row or its placement says something else by now; `cancelled`; `unavailable`, where a server or the host failed and the start is tried again.',
    labels: ['runtime', 'outcome'],
    of,
  },
  [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800],
);

export const cleanUpSeconds = histogram(
  {
    name: 'agent_clean_up_seconds',
    help: 'Duration of the tries to end an agent and to remove what was made for it. `outcome`: `cleaned_up`, `cancelled` or `failed`.',
    labels: ['runtime', 'outcome'],
    of,
  },
  [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
);

export const agentExits = counter({
  name: 'agent_exits_total',
  help: 'Agents that ended although nobody had asked them to. `kind`: `exited`, or `lost` where nobody watched the end. `failed`: `false` for exit code 0 alone.',
  labels: ['kind', 'failed'],
  of,
});

export const statusSeconds = histogram(
  {
    name: 'instance_status_seconds',
    help: 'Time that an instance had a status, observed when agents_worker records another one. A deletion ends a status without an observation.',
    labels: ['status'],
    of,
  },
  [0.1, 0.5, 1, 5, 15, 60, 300, 1_800, 7_200, 43_200, 86_400, 604_800],
);
