import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { buildPage } from '../backends/user/page-bundle.ts';
import { buildIdFile } from '../configuration/build.ts';
import { buildIdOf } from './build-id.ts';
import { loadDeploymentBundle, loadWorkflowBundle } from './workflow-bundle.ts';

/**
 * Bundles the workflow code (`WORKFLOW_BUNDLE`), that of the deployer (`DEPLOYMENT_BUNDLE`) and the page, so that no process in production
 * bundles them at its start.
 */
const output = fileURLToPath(new URL('../dist/workflow-bundle.js', import.meta.url));
const deploymentOutput = fileURLToPath(new URL('../dist/deployment-bundle.js', import.meta.url));

const bundle = await loadWorkflowBundle();
await mkdir(new URL('../dist/', import.meta.url), { recursive: true });
await writeFile(output, bundle.code);
process.stdout.write(`${output}: ${Math.round(bundle.code.length / 1024)} KiB\n`);
const { code } = await loadDeploymentBundle();
await writeFile(deploymentOutput, code);
process.stdout.write(`${deploymentOutput}: ${Math.round(code.length / 1024)} KiB\n`);
const buildId = await buildIdOf(bundle);
await writeFile(buildIdFile, `${buildId}\n`);
process.stdout.write(`${buildIdFile}: ${buildId}\n`);
process.stdout.write(`${await buildPage()}: the page\n`);
