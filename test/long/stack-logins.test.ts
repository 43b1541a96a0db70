import { randomUUID } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stackRoot } from '../../stack/paths.ts';
import { choosePorts, type Ports } from '../../stack/ports.ts';
import { startPostgres, type PostgresServer } from '../../stack/postgres.ts';
import { startRabbitmq, type RabbitmqServer } from '../../stack/rabbitmq.ts';
import { resetStack } from '../../stack/stack.ts';

/** The two servers that have logins, on a folder of this file's own. */
const directory = join(stackRoot, `test-logins-${randomUUID()}`);
let ports: Ports;
let postgres: PostgresServer;
let rabbitmq: RabbitmqServer;

beforeAll(async () => {
  mkdirSync(directory, { recursive: true });
  ports = await choosePorts('free');
  await startBoth();
});

afterAll(async () => {
  await stopBoth();
  await resetStack(directory);
});

async function startBoth(): Promise<void> {
  [postgres, rabbitmq] = await Promise.all([startPostgres({ directory, ports }), startRabbitmq({ directory, ports })]);
}

const stopBoth = () => Promise.all([postgres?.stop(), rabbitmq?.stop()]);

async function query(url: string, text = 'select current_user as user'): Promise<unknown[]> {
  const client = new Client(url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

const withLogin = (url: string, username: string, password: string): string =>
  Object.assign(new URL(url), { username, password }).href;

async function management(method: string, path: string, body?: object): Promise<number> {
  const { username, password } = new URL(rabbitmq.url);
  const answer = await fetch(`${rabbitmq.managementUrl}/api/${path}`, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
      'content-type': 'application/json',
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  return answer.status;
}

async function expectOwnLoginsAlone(): Promise<void> {
  expect(await query(postgres.url)).toEqual([{ user: 'postgres' }]);
  await (await connect(rabbitmq.url)).close();
  for (const password of ['postgres', 'password', '']) {
    await expect(query(withLogin(postgres.url, 'postgres', password))).rejects.toThrow(/password/);
  }
  await expect(connect(withLogin(rabbitmq.url, 'guest', 'guest'))).rejects.toThrow(/ACCESS[_-]REFUSED/);
}

/** Every file and folder that another user could read or change, by what is on the way to it. */
function openToOthers(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    const { mode } = lstatSync(path);
    const open = (mode & 0o066) === 0 || !lstatSync(path).isFile() ? [] : [path];
    if (!lstatSync(path).isDirectory()) return open;
    return (mode & 0o011) === 0 ? [] : [...((mode & 0o066) === 0 ? [] : [path]), ...openToOthers(path)];
  });
}

test('no login of the servers of npm start is one that everybody knows', expectOwnLoginsAlone);

test('no other user can read what the servers keep', () => {
  expect(openToOthers(directory).filter((path) => !path.endsWith('process.json'))).toEqual([]);
});

test('data of an earlier release, with its known passwords and open folders, is taken over and closed', async () => {
  await query(postgres.url, 'create table kept (value int)');
  await query(postgres.url, `alter role postgres password 'postgres'`);
  expect(await management('PUT', 'users/guest', { password: 'guest', tags: 'administrator' })).toBe(201);
  const everything = { configure: '.*', write: '.*', read: '.*' };
  expect(await management('PUT', 'permissions/%2F/guest', everything)).toBe(201);
  const { username } = new URL(rabbitmq.url);
  expect(await management('DELETE', `users/${username}`)).toBe(204);
  await stopBoth();
  for (const name of ['postgres', 'rabbitmq']) rmSync(join(directory, name, 'password'));
  for (const name of ['postgres', 'rabbitmq', 'logs']) chmodSync(join(directory, name), 0o755);

  await startBoth();
  await expectOwnLoginsAlone();
  expect(await query(postgres.url, 'select * from kept')).toEqual([]);
  expect(openToOthers(directory).filter((path) => !path.endsWith('process.json'))).toEqual([]);
});

test('a start that was cut short between the new login and the removal of guest is completed by the next one', async () => {
  expect(await management('PUT', 'users/guest', { password: 'guest', tags: 'administrator' })).toBe(201);
  const before = readFileSync(join(directory, 'postgres', 'password'), 'utf8');
  await stopBoth();
  // What a crash leaves of a secret that was being written.
  writeFileSync(join(directory, 'postgres', 'password.new'), 'half');
  await startBoth();
  await expectOwnLoginsAlone();
  expect(new URL(postgres.url).password).toBe(before);
});
