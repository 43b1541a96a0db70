import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { downloadBySdk } from '../../stack/kept-program.ts';
import { findRabbitmq, type RabbitmqFacts } from '../../stack/rabbitmq-find.ts';
import { findTemporal, type TemporalFacts } from '../../stack/temporal-find.ts';
import { insideDebianRoot } from '../support/debian-root.ts';
import { findRabbitmq4, type Rabbitmq4Facts } from '../support/find-rabbitmq-4.ts';

const onProgress = (): void => {};

describe('RabbitMQ', () => {
  const nothing: RabbitmqFacts = {
    findExecutable: async () => undefined,
    canInstallDebianPackage: async () => false,
    installDebianPackage: async () => {},
    dockerAnswers: async () => false,
  };
  const find = (facts: Partial<RabbitmqFacts>) => findRabbitmq({ onProgress, facts: { ...nothing, ...facts } });

  test('a server on the machine comes before a package and a container', async () => {
    const findExecutable = async () => '/sbin/rabbitmq-server';
    const facts = { findExecutable, canInstallDebianPackage: async () => true, dockerAnswers: async () => true };
    expect(await find(facts)).toEqual({
      way: 'rabbitmq-server on this machine',
      found: { kind: 'node', executable: '/sbin/rabbitmq-server' },
    });
  });

  test('on Debian as root the package is installed, and its server is used', async () => {
    let installed = false;
    const facts = {
      findExecutable: async () => (installed ? '/usr/lib/rabbitmq/bin/rabbitmq-server' : undefined),
      canInstallDebianPackage: async () => true,
      installDebianPackage: async () => void (installed = true),
      dockerAnswers: async () => true,
    };
    expect((await find(facts)).way).toBe('Debian package rabbitmq-server');
  });

  test('when the package cannot be installed, a container is used', async () => {
    const installDebianPackage = () => Promise.reject(new Error('no network'));
    const facts = { canInstallDebianPackage: async () => true, installDebianPackage, dockerAnswers: async () => true };
    expect(await find(facts)).toEqual({ way: 'container rabbitmq:4-management', found: { kind: 'container' } });
  });

  test('when no way works, the error lists them all, with the reason of the one that was tried', async () => {
    const installDebianPackage = () => Promise.reject(new Error('no network'));
    const error = find({ canInstallDebianPackage: async () => true, installDebianPackage });
    await expect(error).rejects.toThrow(/AMQP_URL[^]*install rabbitmq-server[^]*as root[^]*no network[^]*Docker/);
  });
});

describe('Temporal', () => {
  let toolsDirectory = '';
  beforeEach(() => void (toolsDirectory = mkdtempSync(join(tmpdir(), 'tools-'))));
  afterEach(() => rmSync(toolsDirectory, { recursive: true }));

  const put = (name: string) => async () => writeFileSync(join(toolsDirectory, name), '');
  const offline = () => Promise.reject(new Error('no network'));
  const onPath = (commands: string[]) => async (command: string) =>
    commands.includes(command) ? `/bin/${command}` : undefined;
  const find = (facts: Partial<TemporalFacts>) =>
    findTemporal({
      toolsDirectory,
      onProgress,
      facts: { findOnPath: onPath([]), download: offline, install: offline, ...facts },
    });

  test('a server on the PATH comes before all others', async () => {
    await put('temporal')();
    expect((await find({ findOnPath: onPath(['temporal', 'go']) })).found).toBe('/bin/temporal');
  });

  test('a copy that was downloaded or built before is used without another attempt', async () => {
    await put('temporal-sdk-typescript-1.24.0')();
    const { found } = await find({ download: () => Promise.reject(new Error('must not be called')) });
    expect(found).toBe(join(toolsDirectory, 'temporal-sdk-typescript-1.24.0'));
  });

  test('a download that was cut short is not taken for the server', async () => {
    await put('temporal-sdk-typescript-1.24.0.downloading')();
    await expect(find({})).rejects.toThrow(/not found/);
  });

  test('a download that is complete counts, also where its server was too slow to start', async () => {
    const tooSlow = () => Promise.reject(new Error('Failed connecting to test server after 5 seconds'));
    const downloads = async () => put('temporal-test-server-sdk-typescript-1.24.0')().then(tooSlow);
    await expect(downloadBySdk(toolsDirectory, 'createTimeSkipping', tooSlow)).rejects.toThrow('5 seconds');
    await expect(downloadBySdk(toolsDirectory, 'createLocal', downloads)).rejects.toThrow('5 seconds');
    await expect(downloadBySdk(toolsDirectory, 'createTimeSkipping', downloads)).resolves.toBeUndefined();
  });

  test('the download of the SDK comes before a build', async () => {
    const { way } = await find({
      findOnPath: onPath(['go']),
      download: put('temporal-sdk-typescript-1.24.0'),
      install: put('temporal'),
    });
    expect(way).toBe('download by the Temporal SDK');
  });

  test('without a download it is built where Go is', async () => {
    const { way, found } = await find({ findOnPath: onPath(['go']), install: put('temporal') });
    expect(way).toMatch(/^go install .*@v1\.5\.1$/);
    expect(found).toBe(join(toolsDirectory, 'temporal'));
  });

  test('when no way works, the error lists them all, with the reason of the one that was tried', async () => {
    await expect(find({})).rejects.toThrow(/TEMPORAL_ADDRESS[^]*Temporal CLI[^]*no network[^]*install Go/);
  });
});

describe('RabbitMQ 4', () => {
  const nothing: Rabbitmq4Facts = {
    findRoot: () => undefined,
    canBuildRoot: async () => false,
    buildRoot: async () => {},
    dockerAnswers: async () => false,
    pullImage: async () => {},
  };
  const find = (facts: Partial<Rabbitmq4Facts>) =>
    findRabbitmq4({ toolsDirectory: '/tools', onProgress, facts: { ...nothing, ...facts } });
  const node = (root: string) => ({
    kind: 'node',
    executable: '/usr/lib/rabbitmq/bin/rabbitmq-server',
    system: insideDebianRoot(root),
  });

  test('one that was installed before is used as it is', async () => {
    const buildRoot = () => Promise.reject(new Error('must not be called'));
    const { found } = await find({ findRoot: () => '/tools/rabbitmq-4', canBuildRoot: async () => true, buildRoot });
    expect(found).toEqual(node('/tools/rabbitmq-4'));
  });

  test('on Debian as root it is installed into a folder', async () => {
    let root: string | undefined;
    const buildRoot = async () => void (root = '/tools/rabbitmq-4');
    const { found } = await find({ findRoot: () => root, canBuildRoot: async () => true, buildRoot });
    expect(found).toEqual(node('/tools/rabbitmq-4'));
  });

  test('when it cannot be installed, a container is used, once its image is there', async () => {
    const buildRoot = () => Promise.reject(new Error('no network'));
    let pulled = false;
    const pullImage = async () => void (pulled = true);
    const { found } = await find({
      canBuildRoot: async () => true,
      buildRoot,
      dockerAnswers: async () => true,
      pullImage,
    });
    expect({ found, pulled }).toEqual({ found: { kind: 'container' }, pulled: true });
  });

  test('when no way works, the error lists them all, with the reasons of those that were tried', async () => {
    const error = find({
      canBuildRoot: async () => true,
      buildRoot: () => Promise.reject(new Error('no mounts')),
      dockerAnswers: async () => true,
      pullImage: () => Promise.reject(new Error('no registry')),
    });
    await expect(error).rejects.toThrow(/RABBITMQ_4_AMQP_URL[^]*as root[^]*no mounts[^]*Docker[^]*no registry/);
  });
});
