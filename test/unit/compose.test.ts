import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { accountNames, serviceNames } from '../../contracts/access.ts';
import { readConfiguration } from '../../configuration/configuration.ts';
import { passwordVariable } from '../../configuration/secrets.ts';
import { settings } from '../../configuration/settings.ts';
import { givenValueOf, readComposeFile, readComposeText, readRequiredVariables } from '../support/compose-file.ts';

const services = await readComposeFile();
const own = Object.entries(services).filter(([, { build }]) => build !== undefined);

test('every variable that docker-compose.yml sets for the own processes is one that they read', () => {
  const names = own.flatMap(([, { environment }]) => Object.keys(environment));
  // Temporal's variables are read by its SDK.
  const servers = ['DATABASE', 'AMQP'] as const;
  const passwords = new Set(
    servers.flatMap((server) => accountNames.map((account) => passwordVariable(account, server))),
  );
  const others = new Set([...Object.keys(settings.shape), 'RABBITMQ_MANAGEMENT_URL']);
  const known = (name: string): boolean => name.startsWith('TEMPORAL_') || passwords.has(name) || others.has(name);
  const unknown = names.filter((name) => !known(name));
  expect(names).not.toHaveLength(0);
  expect(unknown).toEqual([]);
});

test.each([
  ['event-broker', 'event_broker'],
  ['agents-worker', 'agents_worker'],
  ['agents-worker-2', 'agents_worker'],
  ['agents-worker-candidate', 'agents_worker'],
  ['user-backend', 'user_backend'],
  ['admin-backend', 'admin_backend'],
  ['deployer', 'deployer'],
])('what docker-compose.yml sets is all that %s needs, as its own login', (name, login) => {
  const { environment = {} } = services[name] ?? {};
  expect(readConfiguration(environment, { needsTokens: name.endsWith('backend') })).toMatchObject({
    databaseUrl: `postgres://${login}:${givenValueOf(passwordVariable(login, 'DATABASE'))}@postgres:5432/shared_psql`,
    amqpUrl: `amqp://${login}:${givenValueOf(passwordVariable(login, 'AMQP'))}@rabbitmq:5672`,
    temporal: { connection: { address: 'temporal:7233' }, namespace: 'default' },
  });
});

test('every login of docker-compose.yml is given the password that its URLs have', () => {
  const given = Object.assign({}, ...own.map(([, { environment }]) => environment)) as Record<string, string>;
  const urls = own
    .flatMap(([, { environment }]) => Object.values(environment))
    .filter((text) => /^\w+:\/\//.test(text));
  const logins = urls.map((text) => new URL(text)).filter(({ username }) => !['', 'engine'].includes(username));
  expect(new Set(logins.map(({ username }) => username))).toEqual(new Set(accountNames));
  for (const { protocol, username, password } of logins) {
    expect(password).toBe(given[passwordVariable(username, protocol === 'amqp:' ? 'AMQP' : 'DATABASE')]);
  }
});

test('each agents_worker is a host of its own: it shares neither its name, nor its folder, nor the users of its agents', () => {
  const workers = own
    .filter(([, { command }]) => command.includes('workers/agents-worker.ts'))
    .map(([, found]) => found);
  const facts = workers.map(({ container_name, environment, volumes }) => [
    container_name,
    environment['HOST_NAME'],
    environment['AGENT_UIDS'],
    ...volumes,
  ]);
  expect(facts).toHaveLength(3);
  for (const each of facts) expect(each).toEqual(Array(4).fill(expect.any(String)));
  expect(new Set(facts.flat()).size).toBe(3 * 4);
});

test('backends and event_broker can have replicas: nothing of theirs can exist only once', () => {
  for (const name of ['user-backend', 'admin-backend', 'event-broker']) {
    const { container_name: fixedName, ports, volumes } = services[name] ?? {};
    expect({ fixedName, ports, volumes }).toEqual({ fixedName: undefined, ports: [], volumes: [] });
  }
});

test('the front door leads to the ports of both backends and asks the port of their health', async () => {
  const text = await readFile(new URL('../../compose/front-door.cfg', import.meta.url), 'utf8');
  const targets = [...text.matchAll(/^ {2}server-template replica \d+ (\S+)$/gm)].map(([, target]) => target);
  const { userBackendPort, adminBackendPort } = readConfiguration(services['user-backend']?.environment).http;
  expect(targets).toEqual([`user-backend:${userBackendPort}`, `admin-backend:${adminBackendPort}`]);
  const inside = services['front-door']?.ports.map((port) => Number(port.split(':').at(-1)));
  expect(inside).toEqual([userBackendPort, adminBackendPort]);
  const dockerfile = await readFile(new URL('../../Dockerfile', import.meta.url), 'utf8');
  expect(dockerfile).toContain(`USER_BACKEND_HEALTH_PORT=${/check port (\d+)/.exec(text)?.[1]}`);
});

test('Prometheus scrapes every process at its health port, under the name of the job that the alerts ask for', async () => {
  const { scrape_configs: jobs } = parse(
    await readFile(new URL('../../monitoring/prometheus.yml', import.meta.url), 'utf8'),
  ) as { scrape_configs: { job_name: string; dns_sd_configs: { port: number; names: string[] }[] }[] };
  expect(jobs.map(({ job_name: name }) => name)).toEqual(['instance-engine']);
  const scraped = jobs.flatMap(({ dns_sd_configs: found }) => found);
  const processes = own.filter(([, { command }]) => command.some((each) => each.startsWith('workers/')));
  expect(scraped.flatMap(({ names }) => names).toSorted()).toEqual(processes.map(([name]) => name).toSorted());
  for (const [, { networks }] of processes) expect(networks).toContain('metrics');
  const dockerfile = await readFile(new URL('../../Dockerfile', import.meta.url), 'utf8');
  const ports = [...dockerfile.matchAll(/_HEALTH_PORT=(\d+)/g)].map(([, port]) => Number(port));
  expect(new Set(scraped.map(({ port }) => port))).toEqual(new Set(ports));
});

test('every server image is pinned to a minor version at least', () => {
  const images = Object.values(services).flatMap(({ image, build }) => (build === undefined ? [image] : []));
  expect(images.filter((image) => !/:v?\d+\.\d+/.test(image))).toEqual([]);
});

test('Temporal has a number of history shards that was chosen, and that no release changes: existing data would ignore it', () => {
  expect(services['temporal']?.environment['NUM_HISTORY_SHARDS']).toBe('64');
});

test('ports are published on the loopback interface alone', () => {
  const ports = Object.values(services).flatMap((service) => service.ports);
  expect(ports).not.toHaveLength(0);
  expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
});

/** Names of variables whose values let somebody in. */
const secretName = /PASSWORD|PASSWD|PWD|PASS$|SECRET|TOKEN|KEY$/;

test('nothing that the compose file holds is a working credential: all of them have to be given', async () => {
  const text = await readComposeText();
  const withDefault = [...text.matchAll(/\$\{(\w+)(?::?-|\})/g)].map(([, name = '']) => name);
  expect(withDefault.filter((name) => secretName.test(name))).toEqual([]);
  // Of what stands in the file itself, no value of a secret and no password of a URL is there.
  const values = Object.values(services).flatMap(({ environment }) => Object.entries(environment));
  const passwords = values.flatMap(([name, value]) => {
    const ofUrl = /^\w+:\/\/[^/]*@/.test(value) ? [new URL(value).password] : [];
    return secretName.test(name) ? [value] : ofUrl;
  });
  const given = new Set((await readRequiredVariables()).map((name) => givenValueOf(name)));
  expect(passwords).not.toHaveLength(0);
  expect(passwords.filter((password) => !given.has(password))).toEqual([]);
});

test('every variable that is required says how to get one', async () => {
  const messages = [...(await readComposeText()).matchAll(/\$\{\w+:?\?(.*?)\}/g)].map(([, message]) => message);
  expect(messages).not.toHaveLength(0);
  expect(new Set(messages)).toEqual(new Set(['is not set. Run this first - npm run compose:secrets']));
});

describe('npm run compose:secrets', () => {
  const script = fileURLToPath(new URL('../../compose/secrets.mjs', import.meta.url));
  let folder: string;
  let file: string;
  const run = () => promisify(execFile)(process.execPath, [script, file]);
  const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;
  const read = async (): Promise<[name: string, value: string][]> =>
    (await readFile(file, 'utf8'))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'compose-secrets-'));
    file = join(folder, '.env');
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('gives every required variable a random value of its own, in a file that its owner alone may read', async () => {
    await run();
    const first = await read();
    expect(first.map(([name]) => name)).toEqual(await readRequiredVariables());
    expect(new Set(first.map(([, value]) => value)).size).toBe(first.length);
    for (const [, value] of first) expect(value).toMatch(/^[0-9a-f]{64}$/);
    expect(await modeOf(file)).toBe(0o600);
    await rm(file);
    await run();
    expect(await read()).not.toEqual(first);
  });

  test('keeps what is there, an empty value included, adds what is missing, and closes the file to others', async () => {
    await writeFile(file, '# mine\nJWT_SECRET=\nexport POSTGRES_PASSWORD=mine\nPOSTGRES_PORT=5433', { mode: 0o644 });
    await run();
    const text = await readFile(file, 'utf8');
    expect(text).toMatch(/^# mine\nJWT_SECRET=\nexport POSTGRES_PASSWORD=mine\nPOSTGRES_PORT=5433\nENGINE_DATABASE/);
    expect(text.match(/JWT_SECRET|POSTGRES_PASSWORD/g)).toHaveLength(2);
    expect(await modeOf(file)).toBe(0o600);
    await run();
    expect(await readFile(file, 'utf8')).toBe(text);
  });
});

test('compose/database.sql makes the role of every service', async () => {
  const text = await readFile(new URL('../../compose/database.sql', import.meta.url), 'utf8');
  const grant = /^grant connect on database shared_psql to (.*);$/m.exec(text)?.[1]?.split(', ');
  expect(grant?.toSorted()).toEqual(serviceNames.toSorted());
});

test('compose/database.sql lets the owner attach every parameter of its own that a migration attaches to a function', async () => {
  const folder = new URL('../../database/migrations/', import.meta.url);
  const names = await readdir(folder);
  const texts = await Promise.all(names.map((name) => readFile(new URL(name, folder), 'utf8')));
  const attached = texts.flatMap((text) =>
    [...text.matchAll(/(?<!perform |local )\bset (\w+\.\w+) (?:=|to) /g)].map(([, parameter = '']) => parameter),
  );
  const prepared = await readFile(new URL('../../compose/database.sql', import.meta.url), 'utf8');
  const granted = [...prepared.matchAll(/^grant set on parameter "(.*)" to engine;$/gm)].map(
    ([, parameter]) => parameter,
  );
  expect(new Set(attached)).toEqual(new Set(granted));
});

test('no server is reached by a container that does not use it', () => {
  const reach = (name: string): string[] =>
    Object.keys(services).filter(
      (other) => other !== name && services[other]?.networks.some((net) => services[name]?.networks.includes(net)),
    );
  const servers = new Set(['postgres', 'rabbitmq', 'temporal', 'temporal-ui']);
  const reached = (name: string) => reach(name).filter((other) => servers.has(other));
  expect(Object.fromEntries(Object.keys(services).map((name) => [name, reached(name)]))).toEqual({
    postgres: ['temporal'],
    database: ['postgres'],
    rabbitmq: [],
    'temporal-schema': ['postgres', 'temporal'],
    temporal: ['postgres', 'temporal-ui'],
    'temporal-namespace': ['temporal'],
    'temporal-ui': ['temporal'],
    migrate: ['postgres'],
    topology: ['rabbitmq'],
    'event-broker': ['postgres', 'rabbitmq'],
    'agents-worker': ['postgres', 'rabbitmq', 'temporal'],
    'agents-worker-2': ['postgres', 'rabbitmq', 'temporal'],
    'agents-worker-candidate': ['postgres', 'rabbitmq', 'temporal'],
    'user-backend': ['postgres', 'rabbitmq', 'temporal'],
    'admin-backend': ['postgres', 'rabbitmq'],
    'front-door': [],
    deployer: ['postgres', 'rabbitmq', 'temporal'],
    prometheus: [],
  });
});
