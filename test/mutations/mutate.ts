import { spawn } from 'node:child_process';
import { chmod, cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { fileURLToPath } from 'node:url';
import pMap from 'p-map';
import { mutations, type Mutation } from './mutations.ts';

/** `npm run contracts:mutate` applies each mutation to a copy of the working tree, and shows what the fast tests report. */
const root = fileURLToPath(new URL('../../', import.meta.url));
const left = new Set(['node_modules', '.git', '.stack', 'dist']);
const [only] = process.argv.slice(2);

const chosen = mutations.filter(({ name }) => only === undefined || name.includes(only));
const unchanged = await fastTests(undefined);
if (unchanged.code !== 0) {
  process.stderr.write(`${unchanged.output}\nThe fast tests fail without any mutation.\n`);
  process.exit(1);
}

const caught = await pMap(chosen, tried, { concurrency: 2 });
const missed = caught.filter((each) => !each).length;
process.stdout.write(`${chosen.length} mutations, ${chosen.length - missed} caught, ${missed} missed\n`);
process.exitCode = missed > 0 ? 1 : 0;

async function tried(mutation: Mutation): Promise<boolean> {
  const { code, output } = await fastTests(mutation);
  const [said] = mutation.says.exec(output) ?? [];
  const stale = output.indexOf(' is stale: ');
  // A changed contract makes documents stale. The tests must report the cause before this consequence.
  const isCauseFirst = stale === -1 || output.search(mutation.says) < stale;
  const isCaught = code !== 0 && said !== undefined && isCauseFirst;
  process.stdout.write(
    `${isCaught ? 'caught' : 'MISSED'}  ${mutation.name} (${mutation.file})\n        ${isCaught ? said.replaceAll(/\s+/g, ' ') : `nothing matches ${String(mutation.says)} before it says that a document is stale:\n${output}`}\n`,
  );
  return isCaught;
}

async function fastTests(mutation: Mutation | undefined): Promise<{ code: number; output: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'mutation-'));
  try {
    // PostgreSQL runs as a user of its own, which must be able to enter the folder.
    await chmod(folder, 0o755);
    await cp(root, folder, { recursive: true, filter: (path) => !left.has(path.slice(root.length)) });
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    if (mutation) await apply(mutation, folder);
    const types = await run(folder, 'tsc', []);
    const tests = await run(folder, 'vitest', ['run', '--project', 'contract']);
    return { code: types.code || tests.code, output: types.output + tests.output };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @throws Error when the file does not have the text exactly once */
async function apply({ name, file, find, replace }: Mutation, folder: string): Promise<void> {
  const path = join(folder, file);
  const text = find === undefined ? '' : await readFile(path, 'utf8');
  if (find !== undefined && text.split(find).length !== 2) throw new Error(`${name}: ${file} has not one "${find}"`);
  await writeFile(path, find === undefined ? replace : text.replace(find, () => replace));
}

async function run(cwd: string, command: string, args: string[]): Promise<{ code: number; output: string }> {
  const child = spawn(join(root, 'node_modules/.bin', command), args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) =>
      resolve({ code: code ?? 1, output: stripVTControlCharacters(Buffer.concat(chunks).toString('utf8')) }),
    );
  });
}
