import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

/** Bundles the workflow code once, so that a worker in production starts without doing so (`WORKFLOW_BUNDLE`). */
const workflowsPath = fileURLToPath(new URL('../workflows/index.ts', import.meta.url));
const output = fileURLToPath(new URL('../dist/workflow-bundle.js', import.meta.url));

const { code } = await bundleWorkflowCode({ workflowsPath });
await mkdir(new URL('../dist/', import.meta.url), { recursive: true });
await writeFile(output, code);
process.stdout.write(`${output}: ${Math.round(code.length / 1024)} KiB\n`);
