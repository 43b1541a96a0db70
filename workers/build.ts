import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { buildPage } from '../backends/user/page-bundle.ts';
import { loadWorkflowBundle } from './workflow-bundle.ts';

/** Bundles the workflow code (`WORKFLOW_BUNDLE`) and the page, so that no process in production bundles them at its start. */
const output = fileURLToPath(new URL('../dist/workflow-bundle.js', import.meta.url));

const { code } = await loadWorkflowBundle();
await mkdir(new URL('../dist/', import.meta.url), { recursive: true });
await writeFile(output, code);
process.stdout.write(`${output}: ${Math.round(code.length / 1024)} KiB\n`);
process.stdout.write(`${await buildPage()}: the page\n`);
