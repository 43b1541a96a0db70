import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openHostSecrets, resolveConfig, type SecretPlaces } from '../../runtimes/secret-references.ts';
import { RuntimeUnavailable, SpecRejected } from '../../runtimes/runtime.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'secrets-'));
});
afterEach(() => rm(folder, { recursive: true }));

const resolve = (config: Record<string, unknown>, secrets: string[] = ['db', 'a.b-c_1'], places: SecretPlaces = {}) =>
  resolveConfig({ config, spec: { secrets } as never, hostSecrets: openHostSecrets(places) });

async function inFolder(files: Record<string, string>): Promise<SecretPlaces> {
  const directory = join(folder, 'secrets');
  await mkdir(directory, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  return { directory };
}

async function inFile(text: string): Promise<SecretPlaces> {
  const file = join(folder, 'secrets.env');
  await writeFile(file, text);
  return { file };
}

test('references at any depth are replaced, and everything else stays as it is', async () => {
  const places = await inFolder({ db: 'hunter22\n', 'a.b-c_1': 'two\nlines' });
  const reference = { $secret: 'db' };
  const config = {
    a: reference,
    list: [1, reference, { b: { $secret: 'a.b-c_1' } }],
    n: null,
    empty: {},
    s: '$secret',
  };
  expect(await resolve(config, undefined, places)).toEqual({
    a: 'hunter22',
    list: [1, 'hunter22', { b: 'two\nlines' }],
    n: null,
    empty: {},
    s: '$secret',
  });
  expect(config.a).toBe(reference);
});

test('a member with a name of a prototype is passed on', async () => {
  const config = JSON.parse('{"__proto__": {"$secret": "db"}, "constructor": 1}') as Record<string, unknown>;
  const resolved = await resolve(config, undefined, await inFolder({ db: 'x' }));
  expect(JSON.stringify(resolved)).toBe('{"__proto__":"x","constructor":1}');
});

test('an agent without secrets gets such an object as data', async () => {
  const config = { a: { $secret: 'db', more: 1 } };
  expect(await resolve(config, [], await inFolder({ db: 'hunter22' }))).toBe(config);
});

test('a file of lines is read at each start, and the folder comes before it', async () => {
  const { file } = await inFile('db="from the file"\n# a comment\na.b-c_1=b\n');
  expect(await resolve({ a: { $secret: 'db' }, b: { $secret: 'a.b-c_1' } }, undefined, { file })).toEqual({
    a: 'from the file',
    b: 'b',
  });
  await inFile('db=rotated\n');
  expect(await resolve({ a: { $secret: 'db' } }, undefined, { file })).toEqual({ a: 'rotated' });
  const { directory } = await inFolder({ db: 'from the folder' });
  expect(await resolve({ a: { $secret: 'db' } }, undefined, { file, directory })).toEqual({ a: 'from the folder' });
});

test('a folder of links is read, as a mounted Secret of Kubernetes is one', async () => {
  const { directory = '' } = await inFolder({ '..data': 'linked' });
  await symlink('..data', join(directory, 'db'));
  expect(await resolve({ a: { $secret: 'db' } }, undefined, { directory })).toEqual({ a: 'linked' });
});

test.each<[name: string, config: Record<string, unknown>, says: RegExp]>([
  [
    'a secret that the agent may not have',
    { a: { b: { $secret: 'other' } } },
    /^config\.a\.b names the secret other, which the agent may not have\. Its publisher has to list it/,
  ],
  [
    'a secret that the host does not have',
    { list: [{ $secret: 'a.b-c_1' }] },
    /^config\.list\[0\] names the secret a\.b-c_1, which the host does not have\. Add it to AGENT_SECRETS_FILE/,
  ],
  ['a further member', { a: { $secret: 'db', more: 1 } }, /^config\.a has a member \$secret and is no reference/],
  ['a name that is no text', { a: { $secret: 7 } }, /is no reference/],
  ['a name that is a path', { a: { $secret: '../db' } }, /is no reference/],
  ['a name that is the folder above', { a: { $secret: '..' } }, /is no reference/],
  ['an empty name', { a: { $secret: '' } }, /is no reference/],
])('%s is refused for good', async (_, config, says) => {
  const error: unknown = await resolve(config, undefined, await inFolder({ db: 'hunter22' })).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SpecRejected);
  expect((error as Error).message).toMatch(says);
  expect((error as Error).message).not.toContain('hunter22');
});

test('secrets that cannot be read are worth another attempt, and the message names no path', async () => {
  const places = await inFile('db=x');
  const missing = { file: join(folder, 'missing.env') };
  for (const unreadable of [missing, { file: folder }, { directory: places.file ?? '' }]) {
    const error: unknown = await resolve({ a: { $secret: 'db' } }, undefined, unreadable).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(RuntimeUnavailable);
    expect((error as Error).message).toMatch(/^The secrets of the host cannot be read \(E[A-Z]+\): see AGENT_SECRETS_/);
    expect((error as Error).message).not.toContain(folder);
  }
});
