export { gateWorkflow } from './gate/gate-workflow.ts';
export { instanceWorkflow } from './instance-workflow.ts';
export { rolloutWorkflow } from './rollouts/rollout-workflow.ts';
export { sweepWorkflow } from './sweep-workflow.ts';
