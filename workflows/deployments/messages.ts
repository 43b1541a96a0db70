import { defineSignal } from '@temporalio/workflow';

/** Says that a deployment of the name was requested, or may go on. The rows say everything else. */
export const deploymentChangedSignal = defineSignal('deploymentChanged');
