/** The workflows of the deployer, which has a bundle of its own: it must not run on what it promotes. */
export { deploymentWorkflow } from './deployment-workflow.ts';
