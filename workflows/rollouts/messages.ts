import { defineSignal } from '@temporalio/workflow';

/** Says that a rollout of the agent was requested, or may go on. The rows say everything else. */
export const rolloutChangedSignal = defineSignal('rolloutChanged');
