import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect } from 'amqplib';
import { expect, inject, test } from 'vitest';
import { toolsDirectory } from '../../stack/paths.ts';
import { findDebianRoot } from '../support/debian-root.ts';

test('the broker of these tests is RabbitMQ 4', async () => {
  const connection = await connect(inject('servers').amqpUrl);
  const { version } = connection.connection.serverProperties;
  await connection.close();
  expect(version).toMatch(/^4\./);
});

test('what is mounted for it is seen by nobody else, so that nothing is left when it is killed', async () => {
  const root = findDebianRoot(toolsDirectory, 'rabbitmq-4');
  const mounts = existsSync('/proc/self/mounts') ? await readFile('/proc/self/mounts', 'utf8') : '';
  expect(mounts.split('\n').filter((line) => root !== undefined && line.includes(root))).toEqual([]);
});
