import { expect, test } from 'vitest';
import { accountNames } from '../../contracts/access.ts';
import { readConfiguration } from '../../workers/configuration.ts';
import { passwordVariable } from '../../workers/service-passwords.ts';
import { settings } from '../../workers/settings.ts';
import { readComposeFile } from '../support/compose-file.ts';

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
  ['user-backend', 'user_backend'],
  ['admin-backend', 'admin_backend'],
])('what docker-compose.yml sets is all that %s needs, as its own login', (name, login) => {
  const { environment = {} } = services[name] ?? {};
  expect(readConfiguration(environment, { needsTokens: name.endsWith('backend') })).toMatchObject({
    databaseUrl: `postgres://${login}:${login}@postgres:5432/shared_psql`,
    amqpUrl: `amqp://${login}:${login}@rabbitmq:5672`,
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

test('every server image is pinned to a minor version at least', () => {
  const images = Object.values(services).flatMap(({ image, build }) => (build === undefined ? [image] : []));
  expect(images.filter((image) => !/:\d+\.\d+/.test(image))).toEqual([]);
});

test('ports are published on the loopback interface alone', () => {
  const ports = Object.values(services).flatMap((service) => service.ports);
  expect(ports).not.toHaveLength(0);
  expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
});
