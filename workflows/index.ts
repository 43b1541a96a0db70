export { instanceWorkflow } from './instance-workflow.ts';
export { sweepWorkflow } from './sweep-workflow.ts';
