import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { loadWorkflowBundle } from './workflow-bundle.ts';

/** Bundles the workflow code once, so that a worker in production starts without doing so (`WORKFLOW_BUNDLE`). */
const output = fileURLToPath(new URL('../dist/workflow-bundle.js', import.meta.url));

const { code } = await loadWorkflowBundle();
await mkdir(new URL('../dist/', import.meta.url), { recursive: true });
await writeFile(output, code);
process.stdout.write(`${output}: ${Math.round(code.length / 1024)} KiB\n`);
