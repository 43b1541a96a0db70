import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { checkRelease, isRefused, type Contract } from './check-release.ts';
import { digestOf, digestsFile, fileOf, isDocumentFile, readReleased } from './released.ts';

/**
 * Writes a revision for every contract that is new or changed compatibly, and SHA256SUMS. A revision that is not in HEAD of
 * git is work in progress: it is replaced instead of followed by another. The folder must be in a git repository with a commit.
 *
 * @returns the files that it wrote or removed, relative to the folder
 * @throws Error with every sentence when a change is breaking; it has then written nothing
 */
export async function record(directory: string, contracts: readonly Contract[]): Promise<string[]> {
  const present = await readReleased(directory);
  await mkdir(directory, { recursive: true });
  const committed = await committedFiles(directory);
  const released = present.filter((document) => committed.has(fileOf(document)));

  const checks = checkRelease(contracts, released);
  const refused = checks.filter(isRefused);
  if (refused.length > 0) throw new Error(refused.flatMap(({ sentences }) => sentences).join('\n'));

  const wanted = new Map(
    contracts.flatMap(({ document, ...contract }, index): [string, string][] => {
      const { status, revision = -1 } = checks[index] ?? {};
      if (status !== 'new' && status !== 'compatible') return [];
      return [[checked(fileOf({ ...contract, revision: revision + 1 })), `${JSON.stringify(document, null, 2)}\n`]];
    }),
  );
  const kept = released.map(fileOf);
  const abandoned = present.map(fileOf).filter((file) => !kept.includes(file) && !wanted.has(file));
  await Promise.all(abandoned.map((file) => rm(join(directory, file))));
  const written = await Promise.all(
    [...wanted].map(async ([file, text]) => ((await writeWhereNew(join(directory, file), text)) ? [file] : [])),
  );
  await writeDigests(directory, [...kept, ...wanted.keys()]);
  return [...abandoned, ...written.flat()];
}

/** @throws Error for a name that cannot name a folder */
function checked(file: string): string {
  if (isDocumentFile(file)) return file;
  throw new Error(`${file} cannot be recorded: a contract's name is of letters, digits, _, - and .`);
}

async function committedFiles(directory: string): Promise<Set<string>> {
  const { stdout } = await promisify(execFile)('git', ['ls-tree', '-r', '-z', '--name-only', 'HEAD', '.'], {
    cwd: directory,
  }).catch((error: Error) => {
    throw new Error('Only git tells released contracts from work in progress: record in a clone that has a commit', {
      cause: error,
    });
  });
  return new Set(stdout.split('\0'));
}

/** @returns undefined when the file has this text already */
export async function writeWhereNew(file: string, text: string): Promise<'new' | 'changed' | undefined> {
  const before = await readFile(file, 'utf8').catch(() => undefined);
  if (before === text) return undefined;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  return before === undefined ? 'new' : 'changed';
}

async function writeDigests(directory: string, files: readonly string[]): Promise<void> {
  const lines = await Promise.all(
    files.toSorted().map(async (file) => `${digestOf(await readFile(join(directory, file)))}  ${file}\n`),
  );
  await writeWhereNew(join(directory, digestsFile), lines.join(''));
}
