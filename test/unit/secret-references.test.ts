import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
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

function nested(depth: number): Record<string, unknown> {
  let config: Record<string, unknown> = {};
  for (let level = 0; level < depth; level += 1) config = { a: config };
  return config;
}

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
  ['the config itself', { $secret: 'db' }, /^config cannot be a reference itself/],
  ['a config that is nested too deep', nested(20_000), /^config is nested more than 1000 levels deep/],
  [
    'a config that repeats a secret until it is huge',
    { list: Array.from({ length: 200_000 }, () => ({ $secret: 'db' })) },
    /^config may get 1048576 bytes of secrets at most/,
  ],
  [
    'a member with a huge name',
    { ['\u{1F511}'.repeat(100_000)]: { $secret: 'other' } },
    /^config\.\u{1F511}{90,}… names the secret other/u,
  ],
])('%s is refused for good', async (_, config, says) => {
  const error: unknown = await resolve(config, undefined, await inFolder({ db: 'hunter22' })).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SpecRejected);
  expect((error as Error).message).toMatch(says);
  expect((error as Error).message).not.toContain('hunter22');
  expect((error as Error).message.length).toBeLessThan(500);
  expect((error as Error).message).not.toMatch(/\p{Surrogate}/u);
});

test('a config of a thousand levels is read to its end', async () => {
  const places = await inFolder({ db: 'hunter22' });
  const resolved = await resolve({ ...nested(998), b: { $secret: 'db' } }, undefined, places);
  expect(resolved).toMatchObject({ b: 'hunter22' });
});

test('each secret is read once for a start, however often a config refers to it', async () => {
  const reads: string[] = [];
  const hostSecrets = {
    read: (name: string) => {
      reads.push(name);
      return Promise.resolve(name);
    },
  };
  const config = {
    list: Array.from({ length: 10_000 }, (_, index) => ({ $secret: index % 2 === 0 ? 'db' : 'other' })),
  };
  const { list } = await resolveConfig({ config, spec: { secrets: ['db', 'other'] } as never, hostSecrets });
  expect(list).toHaveLength(10_000);
  expect(reads.toSorted()).toEqual(['db', 'other']);
});

test('nothing is read for a config with a reference that the agent may not have', async () => {
  const hostSecrets = { read: () => Promise.reject(new Error('was read')) };
  const config = { a: { $secret: 'db' }, b: { $secret: 'other' } };
  await expect(resolveConfig({ config, spec: { secrets: ['db'] } as never, hostSecrets })).rejects.toThrow(
    'config.b names the secret other, which the agent may not have',
  );
});

test.each(['constructor', 'toString', '__proto__'])('%s is no secret of a file that does not have it', async (name) => {
  const config = { a: { $secret: name } };
  await expect(resolve(config, [name], await inFile('db=x'))).rejects.toThrow('which the host does not have');
});

test('a value of a file of lines has #, $ and spaces in quotes, and a comment without', async () => {
  const places = await inFile(`db='pa#ss $HOME "x" \\n '\r\na.b-c_1=pa#ss\r\n`);
  const config = { a: { $secret: 'db' }, b: { $secret: 'a.b-c_1' } };
  expect(await resolve(config, undefined, places)).toEqual({ a: 'pa#ss $HOME "x" \\n ', b: 'pa' });
});

test('a byte order mark is no part of a secret', async () => {
  expect(await resolve({ a: { $secret: 'db' } }, undefined, await inFolder({ db: '\uFEFFhunter22\r\n' }))).toEqual({
    a: 'hunter22',
  });
});

test.each<[name: string, make: (path: string) => Promise<unknown>, says: string]>([
  ['bytes that are no text', (path) => writeFile(path, Buffer.from([0x68, 0xff, 0xfe, 0x68])), 'not UTF-8'],
  ['a huge file', (path) => writeFile(path, '').then(() => truncate(path, 3e9)), 'more than 1048576 bytes'],
  ['a pipe, which can be read once', (path) => promisify(execFile)('mkfifo', [path]), 'not a regular file'],
  ['a folder', (path) => mkdir(path), 'EISDIR'],
])('%s cannot be read, whether as a secret or as the file of lines', async (_, make, says) => {
  const directory = join(folder, 'secrets');
  await mkdir(directory);
  const file = join(directory, 'db');
  await make(file);
  for (const places of [{ directory }, { file }]) {
    const error: unknown = await resolve({ a: { $secret: 'db' } }, undefined, places).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(RuntimeUnavailable);
    expect((error as Error).message).toMatch(`The secrets of the host cannot be read (${says}): see AGENT_SECRETS_`);
  }
});

test('secrets that cannot be read are worth another attempt, and the message names no path', async () => {
  const places = await inFile('db=x');
  const missing = { file: join(folder, 'missing.env') };
  const notMounted = { ...places, directory: join(folder, 'missing') };
  for (const unreadable of [missing, notMounted, { file: folder }, { directory: places.file ?? '' }]) {
    const error: unknown = await resolve({ a: { $secret: 'db' } }, undefined, unreadable).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(RuntimeUnavailable);
    expect((error as Error).message).toMatch(/^The secrets of the host cannot be read \(E[A-Z]+\): see AGENT_SECRETS_/);
    expect((error as Error).message).not.toContain(folder);
  }
});
