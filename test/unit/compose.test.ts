import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readConfiguration } from '../../workers/configuration.ts';
import { readComposeFile } from '../support/compose-file.ts';

const services = await readComposeFile();
const own = Object.entries(services).filter(([, { build }]) => build !== undefined);

test('every variable that docker-compose.yml sets for the own processes is one that they read', async () => {
  const configuration = fileURLToPath(new URL('../../workers/configuration.ts', import.meta.url));
  const source = await readFile(configuration, 'utf8');
  const names = own.flatMap(([, { environment }]) => Object.keys(environment));
  // Temporal's variables are read by its SDK.
  const unknown = names.filter((name) => !name.startsWith('TEMPORAL_') && !source.includes(` ${name}: `));
  expect(names).not.toHaveLength(0);
  expect(unknown).toEqual([]);
});

test.each(['event-broker', 'agents-worker'])('what docker-compose.yml sets is all that %s needs', (name) => {
  const { environment = {} } = services[name] ?? {};
  expect(readConfiguration(environment)).toMatchObject({
    databaseUrl: 'postgres://engine:engine@postgres:5432/shared_psql',
    amqpUrl: 'amqp://engine:engine@rabbitmq:5672',
    temporal: { connection: { address: 'temporal:7233' }, namespace: 'default' },
  });
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
