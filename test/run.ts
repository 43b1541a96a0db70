import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { toolsDirectory } from '../stack/paths.ts';
import { findTemporal } from '../stack/temporal-find.ts';
import { removeMachineSettings } from './support/environment.ts';
import { prepareNodeVersions } from './support/node-versions.ts';
import { longProjects, usualProjects } from './support/projects.ts';
import { prepareRabbitmq4, rabbitmq4Project } from './support/rabbitmq-4.ts';

/**
 * `npm test`: every check and the tests that each change needs. `npm run test:long` (`--long`): those that take long, because servers and
 * hosts fail in them, because they install, start or show the whole project, or because they repeat others: on other versions of RabbitMQ
 * and Node.js, or in random orders. Both end with one line
 * that counts the tests. A check counts as one test.
 */
const isLong = process.argv.includes('--long');

const root = fileURLToPath(new URL('../', import.meta.url));
/** What a check keeps in this folder, the next run need not do again for files that are as they were. */
const cache = (name: string): string => join(root, 'node_modules/.cache', name);
const checks = [
  {
    name: 'format',
    command: 'prettier',
    args: ['--check', '--cache', '--cache-strategy', 'content', '--log-level', 'warn', '.'],
  },
  { name: 'lint', command: 'oxlint', args: ['--type-aware', '--deny-warnings'] },
  { name: 'types', command: 'tsc', args: ['--incremental', '--tsBuildInfoFile', cache('types.tsbuildinfo')] },
  {
    name: 'types of the page',
    command: 'tsc',
    args: ['--project', 'backends/user/page', '--incremental', '--tsBuildInfoFile', cache('types-of-page.tsbuildinfo')],
  },
  { name: 'dead code', command: 'knip', args: ['--cache'] },
];

const report = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
});

const counts = { passed: 0, failed: 0, skipped: 0 };

removeMachineSettings({ process: 'main' });
const rabbitmq4 = isLong && prepareRabbitmq4();
const nodeVersions = isLong && prepareNodeVersions();
// Built in minutes where it cannot be downloaded. Where it cannot be had at all, the tests that need it say so.
const temporal = findTemporal({ toolsDirectory, onProgress: (line) => process.stdout.write(`${line}\n`) }).catch(
  () => undefined,
);
await Promise.all(
  (isLong ? [] : checks).map(async ({ name, command, args }) => {
    const passed = (await run(command, args)) === 0;
    counts[passed ? 'passed' : 'failed'] += 1;
    process.stdout.write(`${passed ? 'ok    ' : 'FAILED'} ${name}\n`);
  }),
);

const folder = await mkdtemp(join(tmpdir(), 'test-report-'));
const reportFile = join(folder, 'report.json');
const hasRabbitmq4 = await rabbitmq4;
await Promise.all([nodeVersions, temporal]);
const isRabbitmq4Missing = isLong && !hasRabbitmq4;
const projects = isLong ? longProjects.filter((name) => name !== rabbitmq4Project || hasRabbitmq4) : usualProjects;
const exitCode = await run('vitest', [
  'run',
  ...projects.map((name) => `--project=${name}`),
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${reportFile}`,
]);
const tests = await readFile(reportFile, 'utf8').then(
  (text) => report.parse(JSON.parse(text)),
  () => undefined,
);
await rm(folder, { recursive: true, force: true });
counts.passed += tests?.numPassedTests ?? 0;
counts.failed += tests?.numFailedTests ?? 0;
counts.skipped += (tests?.numPendingTests ?? 0) + (tests?.numTodoTests ?? 0) + (isRabbitmq4Missing ? 1 : 0);
// A file that breaks outside of its tests, or a run that never got to them, must not pass for green.
if (exitCode !== 0 && (tests?.numFailedTests ?? 0) === 0) counts.failed += 1;

process.exitCode = counts.failed > 0 ? 1 : 0;
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);

async function run(command: string, args: string[]): Promise<number> {
  const child = spawn(join(root, 'node_modules/.bin', command), args, { cwd: root, stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
