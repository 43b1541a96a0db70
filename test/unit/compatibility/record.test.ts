import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { compareSchemas } from '../../../tools/contracts/compatibility/compare-schemas.ts';
import type { Contract } from '../../../tools/contracts/compatibility/check-release.ts';
import { record } from '../../../tools/contracts/compatibility/record.ts';
import { readReleased, releasedFolder } from '../../../tools/contracts/compatibility/released.ts';

let root: string;
let released: string;
const run = promisify(execFile);
const id = z.object({ id: z.guid() });
const withDrain = id.extend({ drain: z.boolean().optional() });
const withReason = id.extend({ reason: z.string().optional() });

beforeAll(async () => {
  // If a git hook runs the tests, these variables name the repository of the hook.
  for (const name of Object.keys(process.env)) if (name.startsWith('GIT_')) vi.stubEnv(name, undefined);
  root = await mkdtemp(join(tmpdir(), 'released-'));
  released = await mkdtemp(join(root, 'clone-'));
  const { directory, shell, commit } = cloneIn(released);
  await shell('git init -qb main --template=');
  await commit();
  await record(directory, [contract(id)]);
  await commit();
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

const contract = (schema: z.ZodType, version = 1, name = 'agent.retired'): Contract => ({
  name,
  version,
  document: z.toJSONSchema(schema, { io: 'input', target: 'draft-7' }),
  compare: compareSchemas,
});

/** A new clone on its main branch, in which version 1 of agent.retired and the given contracts are released. */
async function repository(...contracts: Contract[]) {
  const folder = await mkdtemp(join(root, 'clone-'));
  await cp(released, folder, { recursive: true });
  const clone = cloneIn(folder);
  if (contracts.length > 0) {
    await record(clone.directory, [contract(id), ...contracts]);
    await clone.commit();
  }
  return clone;
}

function cloneIn(folder: string) {
  const directory = join(folder, releasedFolder);
  const shell = (command: string) => run('sh', ['-ec', command], { cwd: folder });
  const commit = () => shell('git add -A && git -c user.name=t -c user.email=t@t.example commit -qm t --allow-empty');
  return { directory, shell, commit, files: () => filesIn(directory) };
}

async function filesIn(directory: string): Promise<string[]> {
  const files = await readdir(directory, { recursive: true });
  return files.filter((file) => file.endsWith('.json')).toSorted();
}

test('what is recorded is read back, and sha256sum agrees', async () => {
  const { directory, shell, files } = await repository(contract(withDrain, 2), contract(id, 1, 'b'));
  expect(await files()).toEqual(['agent.retired/1.0.json', 'agent.retired/2.0.json', 'b/1.0.json']);
  const documents = await readReleased(directory);
  expect(documents.map(({ name, version, revision }) => [name, version, revision])).toEqual([
    ['agent.retired', 1, 0],
    ['agent.retired', 2, 0],
    ['b', 1, 0],
  ]);
  expect(documents[1]?.document).toEqual(JSON.parse(JSON.stringify(contract(withDrain).document)));
  const text = await readFile(join(directory, 'b/1.0.json'), 'utf8');
  expect(text).toBe(`${JSON.stringify(contract(id).document, null, 2)}\n`);
  const { stdout } = await shell(`cd ${releasedFolder} && sha256sum -c SHA256SUMS`);
  expect(stdout.match(/: OK/g)).toHaveLength(3);
});

test('recording again changes nothing', async () => {
  const { directory, shell } = await repository();
  expect(await record(directory, [contract(id)])).toEqual([]);
  expect((await shell('git status --porcelain')).stdout).toBe('');
});

test('a compatible change becomes the next revision', async () => {
  const { directory, files, commit } = await repository();
  expect(await record(directory, [contract(withDrain)])).toEqual(['agent.retired/1.1.json']);
  await commit();
  await record(directory, [contract(withDrain.extend({ reason: z.string().optional() }))]);
  expect(await files()).toEqual(['agent.retired/1.0.json', 'agent.retired/1.1.json', 'agent.retired/1.2.json']);
  await expect(readReleased(directory)).resolves.toHaveLength(3);
});

test('a breaking change is refused with every sentence, and nothing is written', async () => {
  const { directory, shell } = await repository(contract(id, 1, 'b'));
  const refused = record(directory, [contract(z.object({})), contract(withDrain, 1, 'c')]);
  await expect(refused).rejects.toThrow(
    /agent\.retired, version 1.*`id` \(required\) is gone[^]*b, version 1 was released/,
  );
  expect((await shell('git status --porcelain')).stdout).toBe('');
});

test('a revision that is not committed yet is replaced, or removed when it is no longer needed', async () => {
  const { directory, files } = await repository();
  await record(directory, [contract(withDrain), contract(id, 2)]);
  expect(await files()).toHaveLength(3);
  await record(directory, [contract(withReason)]);
  expect(await files()).toEqual(['agent.retired/1.0.json', 'agent.retired/1.1.json']);
  expect((await readReleased(directory))[1]?.document['properties']).toHaveProperty('reason');
  expect(await record(directory, [contract(id)])).toEqual(['agent.retired/1.1.json']);
});

test('a revision that only a branch has can be taken back as the sentence says', async () => {
  const { directory, shell, commit, files } = await repository();
  await shell('git checkout -qb branch');
  await record(directory, [contract(withDrain)]);
  await commit();
  const message = await record(directory, [contract(withReason)]).then(String, String);
  const command = /taken back: (git restore .*?), then/.exec(message)?.[1] ?? 'false';
  await shell(command);
  expect(await record(directory, [contract(withReason)])).toEqual(['agent.retired/1.1.json']);
  expect(await files()).toEqual(['agent.retired/1.0.json', 'agent.retired/1.1.json']);
});

test('without git nothing is recorded, for it could overwrite what was released', async () => {
  const { directory, shell } = await repository();
  await shell('rm -r .git');
  await expect(record(directory, [contract(withDrain)])).rejects.toThrow('record in a clone that has a commit');
});

test('a name that cannot name a folder is refused', async () => {
  const { directory } = await repository();
  await expect(record(directory, [contract(id), contract(id, 1, '../x')])).rejects.toThrow(
    "a contract's name is of letters",
  );
});

describe('what was released', () => {
  test('is nothing where there is no folder', async () => {
    await expect(readReleased(join(root, 'none'))).resolves.toEqual([]);
  });

  const path = `${releasedFolder}/agent.retired/1.0.json`;
  test.each([
    ['that was changed', `echo >> ${path}`, `${path} was released and must not change: git checkout ${path}`],
    ['that is missing', `rm ${path}`, `${path} was released and is missing: git checkout ${path}`],
    [
      'that is not listed',
      `cp ${path} ${releasedFolder}/agent.retired/1.1.json`,
      '1.1.json is not listed in SHA256SUMS: remove it',
    ],
    ['that is no document', `touch ${releasedFolder}/notes.txt`, 'notes.txt is no <name>/<version>.<revision>.json'],
    [
      'that is listed as nothing',
      `echo '<<<<<<<' >> ${releasedFolder}/SHA256SUMS`,
      'a line that is no digest of a file: <<<<<<<',
    ],
    [
      'without the revision before',
      `cd ${releasedFolder} && mv agent.retired/1.0.json agent.retired/1.1.json && sed -i s/1.0/1.1/ SHA256SUMS`,
      '1.1.json follows agent.retired/1.0.json, which is not there',
    ],
    [
      'without the version before',
      `cd ${releasedFolder} && mv agent.retired/1.0.json agent.retired/2.0.json && sed -i s/1.0/2.0/ SHA256SUMS`,
      '2.0.json follows agent.retired/1.0.json, which is not there',
    ],
  ])('is refused with a file %s', async (_what, damage, sentence) => {
    const { directory, shell } = await repository();
    await shell(damage);
    await expect(readReleased(directory)).rejects.toThrow(sentence);
  });

  test('is refused with all of its problems at once', async () => {
    const { directory } = await repository();
    await rm(join(directory, 'agent.retired/1.0.json'));
    await mkdir(join(directory, 'b'));
    await writeFile(join(directory, 'b/1.0.json'), '{}');
    await expect(readReleased(directory)).rejects.toThrow(/b\/1\.0\.json is not listed[^]*is missing/);
  });
});
