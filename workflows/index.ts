export { instanceWorkflow } from './instance-workflow.ts';
