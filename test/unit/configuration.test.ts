import { writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { rootCertificates } from 'node:tls';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { nodesOf } from '../../bridge/bus/cluster-nodes.ts';
import { findBuild } from '../../configuration/build.ts';
import { readConfiguration } from '../../configuration/configuration.ts';
import { InvalidConfiguration } from '../../configuration/environment.ts';
import { readGivenServers, readServicePasswords } from '../../configuration/given-servers.ts';
import { findSharedUser } from '../../configuration/shared-user.ts';

const complete = {
  DATABASE_URL: 'postgres://user:secret@127.0.0.1:5432/shared_psql',
  AMQP_URL: 'amqp://user:secret@127.0.0.1:5672',
  TEMPORAL_ADDRESS: '127.0.0.1:7233',
};
const own =
  /^(DATABASE|AMQP|CONTROL|RABBITMQ|TEMPORAL|STACK|TASK|RUNTIME|WORKFLOW|HEALTH|EVENT|AGENTS|LOG|USER|ADMIN|HTTP|JWT|ALLOWED|HOST|REQUESTS|TRUSTED)_/;
let home: string;

// What the machine running the tests has set, or keeps in its home, is not what is tested.
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'configuration-'));
  for (const name of Object.keys(process.env)) if (own.test(name)) vi.stubEnv(name, undefined);
  vi.stubEnv('HOME', home);
  vi.stubEnv('XDG_CONFIG_HOME', home);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

function problemsOf(environment: Record<string, string>, options = {}): string[] {
  try {
    readConfiguration(environment, options);
  } catch (error) {
    if (!(error instanceof InvalidConfiguration)) throw error;
    return error.message.split('\n').slice(1);
  }
  return [];
}

/** A file with a CA that Node.js brings along. */
function rootCertificateFile(): string {
  const file = join(home, 'root.pem');
  writeFileSync(file, rootCertificates[0] ?? '');
  return file;
}

test('a host has the name of its machine, no labels and no limit, unless it is told otherwise', () => {
  const { host } = readConfiguration(complete);
  expect(host).toEqual({ name: hostname(), labels: {}, capacity: null, leaseSeconds: 15 });
  const settings = {
    HOST_NAME: 'anna',
    HOST_LABELS: 'zone=a, disk=,if=x=y',
    HOST_CAPACITY: '7',
    HOST_LEASE_SECONDS: '4.5',
  };
  expect(readConfiguration({ ...complete, ...settings }).host).toEqual({
    name: 'anna',
    labels: { zone: 'a', disk: '', if: 'x=y' },
    capacity: 7,
    leaseSeconds: 4.5,
  });
  expect(problemsOf({ ...complete, HOST_LABELS: 'zone', HOST_CAPACITY: '-1', HOST_LEASE_SECONDS: '0' })).toEqual([
    expect.stringContaining('HOST_LABELS.0 must be labels such as zone=a,disk=ssd'),
    expect.stringContaining('HOST_CAPACITY'),
    expect.stringContaining('HOST_LEASE_SECONDS'),
  ]);
});

test('agents_worker is unversioned without a deployment name, and takes its build id from the build otherwise', async () => {
  const name = 'TEMPORAL_DEPLOYMENT_NAME';
  expect(readConfiguration(complete).build).toBeUndefined();
  const both = { [name]: 'instances/agents-worker', TEMPORAL_WORKER_BUILD_ID: '1.4.0+x-3f9a1c02b7de' };
  expect(readConfiguration({ ...complete, ...both }).build).toEqual({
    deploymentName: 'instances/agents-worker',
    buildId: '1.4.0+x-3f9a1c02b7de',
  });
  const file = join(home, 'build-id');
  const found = () => findBuild({ [name]: 'a' }, file);
  expect(found()).toEqual({ problem: expect.stringMatching(/without TEMPORAL_WORKER_BUILD_ID.*npm run build/) });
  await writeFile(file, 'not an id\n');
  expect(found()).toHaveProperty('problem');
  await writeFile(file, '0.1.0-3f9a1c02b7de\n');
  expect(found()).toEqual({ build: { deploymentName: 'a', buildId: '0.1.0-3f9a1c02b7de' } });
  expect(problemsOf({ ...complete, TEMPORAL_WORKER_BUILD_ID: 'b' })).toEqual([
    expect.stringContaining('TEMPORAL_WORKER_BUILD_ID is set without TEMPORAL_DEPLOYMENT_NAME'),
  ]);
});

test.for([
  { TEMPORAL_DEPLOYMENT_NAME: 'a.b' },
  { TEMPORAL_DEPLOYMENT_NAME: 'a:b' },
  { TEMPORAL_DEPLOYMENT_NAME: 'x'.repeat(129) },
  { TEMPORAL_WORKER_BUILD_ID: '.a' },
  { TEMPORAL_WORKER_BUILD_ID: 'a b' },
  { TEMPORAL_WORKER_BUILD_ID: 'x'.repeat(129) },
])('Temporal would refuse %o, and the problem names the setting', (wrong) => {
  const [name = ''] = Object.keys(wrong);
  const problems = problemsOf({
    ...complete,
    TEMPORAL_DEPLOYMENT_NAME: 'a',
    TEMPORAL_WORKER_BUILD_ID: 'b',
    ...wrong,
  });
  expect(problems).toEqual([expect.stringMatching(new RegExp(`^- ${name} must be .* such as`))]);
});

test('three addresses are enough', () => {
  expect(readConfiguration(complete)).toMatchObject({
    databaseUrl: complete.DATABASE_URL,
    databaseDirectUrl: complete.DATABASE_URL,
    amqpUrl: complete.AMQP_URL,
    temporal: { connection: { address: complete.TEMPORAL_ADDRESS }, namespace: 'default' },
    taskQueue: 'instances',
    workflowBundle: undefined,
    healthHost: '127.0.0.1',
    logLevel: 'info',
  });
});

test('every problem is named at once, with an example of what is asked for', () => {
  const problems = problemsOf({
    DATABASE_URL: 'mysql://127.0.0.1/shared_psql',
    EVENT_BROKER_HEALTH_PORT: '70000',
    AGENTS_WORKER_HEALTH_PORT: 'http',
    LOG_LEVEL: 'loud',
  });
  expect(problems).toHaveLength(6);
  expect(problems.find((line) => line.includes('DATABASE_URL'))).toContain('postgres://user:password@');
  expect(problems.find((line) => line.includes('AMQP_URL'))).toMatch(/required.*amqp:\/\//);
  expect(problems.find((line) => line.includes('EVENT_BROKER_HEALTH_PORT'))).toContain('65535');
  expect(problems.find((line) => line.includes('AGENTS_WORKER_HEALTH_PORT'))).toContain('number');
  expect(problems.find((line) => line.includes('LOG_LEVEL'))).toContain('"info"');
  expect(problems.find((line) => line.includes('TEMPORAL_ADDRESS'))).toMatch(/required.*127\.0\.0\.1:7233/);
});

test('no problem repeats a password', () => {
  const problems = problemsOf({ DATABASE_URL: 'mysql://user:hunter2@127.0.0.1/x', AMQP_URL: 'http://user:hunter2@x' });
  expect(problems.join('\n')).toMatch(/DATABASE_URL[^]*AMQP_URL/);
  expect(problems.join('\n')).not.toContain('hunter2');
});

test.for([
  { name: 'DATABASE_CA_FILE', of: {} },
  { name: 'AMQP_CA_FILE', of: { AMQP_URL: 'amqps://127.0.0.1' } },
  { name: 'JWT_JWKS_CA_FILE', of: { JWT_JWKS_URL: 'https://127.0.0.1/keys' } },
  { name: 'TEMPORAL_TLS_SERVER_CA_CERT_PATH', of: {} },
])('$name: a file that is missing, unreadable or no certificate is named', async ({ name, of }) => {
  const text = join(home, 'text.pem');
  await writeFile(text, 'no certificate');
  const broken = join(home, 'broken.pem');
  await writeFile(broken, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  const problemsWith = (file: string) => problemsOf({ ...complete, ...of, [name]: file }).join('\n');
  expect(problemsWith(join(home, 'none.pem'))).toMatch(
    new RegExp(`${name} names the file .*none.pem.*read \\(ENOENT\\)`),
  );
  expect(problemsWith(home)).toMatch(new RegExp(`${name} names .*cannot be read \\(EISDIR\\)`));
  expect(problemsWith(text)).toMatch(
    new RegExp(`${name} names the file .*text.pem, which holds no certificates in PEM`),
  );
  expect(problemsWith(broken)).toMatch(new RegExp(`${name} names the file .*broken.pem, which holds no certificates`));
});

test('only AMQP_URL names several hosts, and those as a list that can be read', () => {
  const list = 'amqp://user:secret@one:5672,two:5673/host';
  const { amqpUrl } = readConfiguration({ ...complete, AMQP_URL: list });
  expect(
    nodesOf(amqpUrl)
      .map(({ host }) => host)
      .toSorted(),
  ).toEqual(['one:5672', 'two:5673']);
  const CONTROL_AMQP_URL = 'amqp://agents:secret@one,two';
  expect(problemsOf({ ...complete, AMQP_URL: 'amqp://user:secret@one,', CONTROL_AMQP_URL })).toEqual([
    expect.stringMatching(/AMQP_URL has a comma in its host: only AMQP_URL may name several/),
    expect.stringMatching(/CONTROL_AMQP_URL has a comma in its host: only AMQP_URL may name several/),
  ]);
});

test('the file of a CA is used for each of several hosts', () => {
  const AMQP_URL = 'amqps://user:secret@one,two';
  const { amqpUrl } = readConfiguration({ ...complete, AMQP_URL, AMQP_CA_FILE: rootCertificateFile() });
  expect(nodesOf(amqpUrl).map(({ searchParams }) => searchParams.get('cacertfile'))).toEqual([
    join(home, 'root.pem'),
    join(home, 'root.pem'),
  ]);
});

test('a file of a CA that a URL itself names is checked as well', () => {
  const DATABASE_URL = `${complete.DATABASE_URL}?sslrootcert=${home}/none.pem`;
  const AMQP_URL = `amqps://127.0.0.1?cacertfile=${home}/none.pem`;
  expect(problemsOf({ ...complete, DATABASE_URL, AMQP_URL })).toEqual([
    expect.stringMatching(/DATABASE_URL, in its sslrootcert, .*ENOENT/),
    expect.stringMatching(/AMQP_URL, in its cacertfile, .*ENOENT/),
  ]);
});

test.for([
  ['AMQP_CA_FILE', {}, /AMQP_CA_FILE is of no use with AMQP_URL: .*amqps:/],
  ['DATABASE_CA_FILE', { DATABASE_URL: `${complete.DATABASE_URL}?sslmode=disable` }, /DATABASE_URL: its sslmode/],
  ['DATABASE_CA_FILE', { DATABASE_URL: `${complete.DATABASE_URL}?sslmode=no-verify` }, /DATABASE_URL: its sslmode/],
  ['JWT_JWKS_CA_FILE', { JWT_JWKS_URL: 'http://127.0.0.1/keys' }, /JWT_JWKS_URL: begin that with https:/],
] as const)('%s without TLS that checks certificates is refused: %j', ([name, of, problem]) => {
  const problems = problemsOf({ ...complete, ...of, [name]: rootCertificateFile() });
  expect(problems).toEqual([expect.stringMatching(problem)]);
});

test.for(['DATABASE_URL', 'DATABASE_DIRECT_URL', 'AMQP_URL', 'CONTROL_AMQP_URL', 'JWT_SECRET', 'TEMPORAL_API_KEY'])(
  '%s_FILE names the file of the secret',
  async (name) => {
    const values: Record<string, string> = {
      ...complete,
      DATABASE_DIRECT_URL: 'postgres://direct:secret@127.0.0.1/shared_psql',
      CONTROL_AMQP_URL: 'amqp://agents:secret@127.0.0.1',
      JWT_SECRET: 'x'.repeat(32),
      TEMPORAL_API_KEY: 'key',
    };
    const file = join(home, 'secret');
    await writeFile(file, `${values[name]}\n`);
    const { [name]: _, ...others } = values;
    expect(readConfiguration({ ...others, [`${name}_FILE`]: file })).toEqual(readConfiguration(values));
    expect(problemsOf({ ...values, [`${name}_FILE`]: file })).toEqual([
      expect.stringMatching(new RegExp(`${name} and ${name}_FILE are both set`)),
    ]);
    expect(problemsOf({ ...others, [`${name}_FILE`]: join(home, 'none') })[0]).toMatch(
      new RegExp(`${name}_FILE names the file .*none, which cannot be read \\(ENOENT\\)`),
    );
    await writeFile(file, '\n');
    expect(problemsOf({ ...others, [`${name}_FILE`]: file })[0]).toMatch(new RegExp(`${name}_FILE .*is empty`));
  },
);

test('passwords of accounts and a management URL come from files, too, and what a program passes on goes before a file', async () => {
  const file = join(home, 'secret');
  await writeFile(file, 'http://admin:secret@127.0.0.1:15672');
  vi.stubEnv('EVENT_BROKER_AMQP_PASSWORD_FILE', file);
  vi.stubEnv('AGENTS_WORKER_DATABASE_PASSWORD_FILE', file);
  vi.stubEnv('RABBITMQ_MANAGEMENT_URL_FILE', file);
  expect(readServicePasswords('AMQP')).toEqual({ event_broker: 'http://admin:secret@127.0.0.1:15672' });
  expect(readServicePasswords('DATABASE')).toEqual({ agents_worker: 'http://admin:secret@127.0.0.1:15672' });
  expect(readGivenServers().managementUrl).toBe('http://admin:secret@127.0.0.1:15672');
  vi.stubEnv('DATABASE_URL_FILE', file);
  expect(readConfiguration(complete).databaseUrl).toBe(complete.DATABASE_URL);
});

test('an empty variable is one that is not set', () => {
  expect(readConfiguration({ ...complete, TASK_QUEUE: '', DATABASE_DIRECT_URL: '', LOG_LEVEL: '' })).toEqual(
    readConfiguration(complete),
  );
  expect(problemsOf({ ...complete, AMQP_URL: '' })).toEqual([expect.stringMatching(/AMQP_URL is required/)]);
});

test.each([
  ['DATABASE_URL', 'not a url'],
  ['DATABASE_DIRECT_URL', 'http://127.0.0.1:5432'],
  ['AMQP_URL', '127.0.0.1:5672'],
  ['EVENT_BROKER_HEALTH_PORT', '-1'],
  ['EVENT_BROKER_HEALTH_PORT', '1.5'],
])('%s cannot be %j', (name, value) => {
  expect(problemsOf({ ...complete, [name]: value })).toEqual([expect.stringContaining(name)]);
});

test.each([
  ['AMQP_URL', 'amqp://user:100%@127.0.0.1:5672'],
  ['AMQP_URL', 'amqp://user:secret@127.0.0.1:5672/%zz'],
  ['CONTROL_AMQP_URL', 'amqp://ag%ents:secret@127.0.0.1:5672'],
])('%s with a percent sign that begins no escape is named, with what to write: %s', (name, url) => {
  const [problem = '', ...others] = problemsOf({ ...complete, [name]: url });
  expect(others).toEqual([]);
  expect(problem).toMatch(new RegExp(`^- ${name} has a percent sign .* as %25`));
});

test('the direct way to the database may differ', () => {
  const direct = 'postgresql://user:secret@127.0.0.1:5433/shared_psql';
  expect(readConfiguration({ ...complete, DATABASE_DIRECT_URL: direct }).databaseDirectUrl).toBe(direct);
});

test("Temporal's own configuration file is read, and one that is broken is named", async () => {
  const file = join(home, 'temporal.toml');
  await writeFile(file, '[profile.default]\naddress = "127.0.0.1:7000"\nnamespace = "agents"\n');
  const { TEMPORAL_ADDRESS: _, ...rest } = complete;
  expect(readConfiguration({ ...rest, TEMPORAL_CONFIG_FILE: file }).temporal).toMatchObject({
    connection: { address: '127.0.0.1:7000' },
    namespace: 'agents',
  });
  await writeFile(file, '[profile.default');
  expect(problemsOf({ ...rest, TEMPORAL_CONFIG_FILE: file })[0]).toMatch(/Temporal's environment.*TOML/);
});

test('what is told of HTTP may be left out, all but what tokens are checked by', () => {
  expect(readConfiguration(complete).http).toEqual({
    host: '127.0.0.1',
    userBackendPort: 27_440,
    adminBackendPort: 27_441,
    tokens: undefined,
    allowedOrigins: [],
    requestsPerMinute: 600,
    trustedProxies: [],
    adminBackendUrl: undefined,
    temporalUiUrl: undefined,
  });
  expect(problemsOf(complete, { needsTokens: true })).toEqual([
    expect.stringMatching(/JWT_JWKS_URL is required, e\.g\./),
  ]);
});

test('tokens are checked by one thing, and lists are separated by commas', () => {
  const secret = 'a-secret-of-32-characters-or-more';
  const jwksUrl = 'https://login.example.com/jwks.json';
  const http = (settings: Record<string, string>) => readConfiguration({ ...complete, ...settings }).http;
  expect(http({ JWT_SECRET: secret }).tokens).toEqual({
    key: { secret },
    issuer: undefined,
    audience: 'instance-engine',
  });
  expect(http({ JWT_JWKS_URL: jwksUrl, JWT_ISSUER: 'me', JWT_AUDIENCE: 'you' }).tokens).toEqual({
    key: { jwksUrl },
    issuer: 'me',
    audience: 'you',
  });
  expect(http({ ALLOWED_ORIGINS: 'https://a.example.com, https://b.example.com,' }).allowedOrigins).toEqual([
    'https://a.example.com',
    'https://b.example.com',
  ]);
  expect(problemsOf({ ...complete, JWT_SECRET: secret, JWT_JWKS_URL: jwksUrl })).toEqual([
    expect.stringContaining('both set'),
  ]);
  const [tooShort = ''] = problemsOf({ ...complete, JWT_SECRET: 'hunter2' });
  expect(tooShort).toContain('JWT_SECRET must have at least 32 characters');
  expect(tooShort).not.toContain('hunter2');
});

test.each([
  ['the same login', 'amqp://user:secret@127.0.0.1:5672'],
  ['the same user by another address and password', 'amqps://user:other@bus.example.com:5671/agents'],
  ['the same user, percent-encoded', 'amqp://us%65r:secret@127.0.0.1:5672'],
])('agents never get the account of agents_worker: %s is refused', (_, controlUrl) => {
  const [problem = '', ...others] = problemsOf({ ...complete, CONTROL_AMQP_URL: controlUrl });
  expect(others).toEqual([]);
  expect(problem).toMatch(/CONTROL_AMQP_URL names the user of AMQP_URL.*contracts:check -- --apply --accounts/);
  expect(problem).not.toContain('secret');
});

test('without CONTROL_AMQP_URL there is no account for agents, and a URL without a user means guest', () => {
  expect(readConfiguration(complete).controlAmqpUrl).toBeUndefined();
  const agents = 'amqp://agents:secret@127.0.0.1:5672';
  expect(readConfiguration({ ...complete, CONTROL_AMQP_URL: agents }).controlAmqpUrl).toBe(agents);
  const guest = { ...complete, AMQP_URL: 'amqp://127.0.0.1', CONTROL_AMQP_URL: 'amqp://guest:guest@127.0.0.1' };
  expect(problemsOf(guest)).toEqual([expect.stringContaining('CONTROL_AMQP_URL names the user of AMQP_URL')]);
});

test.each([
  'https://login.example.com/jwks.json',
  'http://127.0.0.1:8080/jwks.json',
  'http://localhost/jwks.json',
  'http://[::1]:8080/jwks.json',
])('keys of tokens are taken from %s', (url) => {
  expect(problemsOf({ ...complete, JWT_JWKS_URL: url })).toEqual([]);
});

test.each([
  'http://login.example.com/jwks.json',
  'http://10.0.0.7/jwks.json',
  'http://127.0.0.1.example.com/jwks.json',
  'http://localhost.example.com/jwks.json',
  'http://127.0.0.1@login.example.com/jwks.json',
  'http://keys/jwks.json',
])('keys of tokens are not taken over a network without TLS: %s', (url) => {
  expect(problemsOf({ ...complete, JWT_JWKS_URL: url })).toEqual([
    expect.stringMatching(/JWT_JWKS_URL must begin with https:/),
  ]);
});

test('agents get to see no secret of the host environment', () => {
  expect(readConfiguration({ ...complete, API_KEY: 'hunter2' }).hostEnvironment).not.toHaveProperty('API_KEY');
  expect(Object.keys(readConfiguration(complete).hostEnvironment)).toEqual(expect.arrayContaining(['PATH', 'HOME']));
});

test('for the stack, every server is optional, and a wrong address is named', () => {
  expect(Object.values(readGivenServers()).every((value) => value === undefined)).toBe(true);
  vi.stubEnv('AMQP_URL', 'redis://127.0.0.1');
  expect(() => readGivenServers()).toThrow(/AMQP_URL/);
});

test('agents that run as agents_worker are warned of, with the secrets that they find in the environment', () => {
  const configuration = readConfiguration(complete);
  const warning = findSharedUser(configuration, ['DATABASE_URL', 'AMQP_URL']);
  expect(warning).toMatch(/Set AGENT_UIDS .*ALLOWED_RUNTIMES=docker.*finds DATABASE_URL, AMQP_URL in .*AMQP_URL_FILE/);
  expect(findSharedUser(configuration, [])).toMatch(/ALLOWED_RUNTIMES=docker to run containers alone\.$/);
  expect(findSharedUser({ ...configuration, allowedRuntimes: ['docker'] }, ['AMQP_URL'])).toBeUndefined();
  expect(findSharedUser(readConfiguration({ ...complete, AGENT_UIDS: '1-2' }), ['AMQP_URL'])).toBeUndefined();
});

test('there are traces where a collector is named, with the headers that it asks for', () => {
  expect(readConfiguration(complete).tracing).toBeUndefined();
  const named = { ...complete, OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example.com:4318' };
  expect(readConfiguration(named).tracing).toEqual({
    endpoint: named.OTEL_EXPORTER_OTLP_ENDPOINT,
    headers: {},
    ratio: 1,
  });
  const headers = 'api-key=a%2Cb==, x-tenant=7';
  const { tracing } = readConfiguration({
    ...named,
    OTEL_EXPORTER_OTLP_HEADERS: headers,
    OTEL_TRACES_SAMPLER_ARG: '0.1',
  });
  expect(tracing).toMatchObject({ headers: { 'api-key': 'a,b==', 'x-tenant': '7' }, ratio: 0.1 });
  expect(problemsOf({ ...named, OTEL_EXPORTER_OTLP_HEADERS: 'hunter2' })).toEqual([
    expect.stringMatching(/OTEL_EXPORTER_OTLP_HEADERS.* must be headers such as api-key=secret/),
  ]);
});
