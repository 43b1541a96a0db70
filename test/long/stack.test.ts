import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { connect as openSocket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { Client as TemporalClient, Connection } from '@temporalio/client';
import { connect } from 'amqplib';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { stackRoot, toolsDirectory } from '../../stack/paths.ts';
import { isRunning, type ProcessReference, readReference } from '../../stack/process-reference.ts';
import { resetStack, type Stack, startStack } from '../../stack/stack.ts';
import type { StackServers } from '../../stack/stack-options.ts';

const parent = stackRoot;
const queue = 'kept';
const workflowId = 'kept';
let directory = '';
let foreground: ChildProcess;
let servers: StackServers;
let processes: ProcessReference[] = [];
let again: Stack | undefined;

const options = () => ({
  directory,
  toolsDirectory,
  portBase: 'free' as const,
});

beforeAll(async () => {
  directory = join(parent, `test-stack-${randomUUID()}`);
  foreground = runForeground();
  servers = await firstLine(foreground);
  processes = readProcesses();
}, 600_000);

afterAll(async () => {
  foreground.kill('SIGKILL');
  await again?.stop();
  await resetStack(directory);
});

test('all three servers answer', async () => {
  await query('create table kept (value int); insert into kept values (1)');
  await withChannel(async (channel) => {
    await channel.assertQueue(queue, { durable: true });
    channel.sendToQueue(queue, Buffer.from('kept'), { persistent: true });
    await channel.waitForConfirms();
  });
  await withTemporal(async (client) => {
    await client.workflow.start('nobody-runs-it', {
      workflowId,
      taskQueue: 'nobody',
      searchAttributes: { InstanceStatus: ['pending'] },
    });
  });
  const pages = [servers.managementUrl, servers.temporal?.uiUrl].map((url) => fetch(url ?? ''));
  expect((await Promise.all(pages)).map(({ status }) => status)).toEqual([200, 200]);
  expect(processes).toHaveLength(3);
});

test('a second start in the same folder is refused with the process id of the first', async () => {
  await expect(startStack(options())).rejects.toThrow(`already running (pid ${foreground.pid}`);
});

test('kill -9 of the process that asked for the servers stops them all', async () => {
  foreground.kill('SIGKILL');
  await expect.poll(() => processes.filter(isRunning), { timeout: 30_000 }).toEqual([]);
  await expect.poll(listeningPorts, { timeout: 20_000 }).toEqual([]);
});

test('the next start finds all data again', async () => {
  again = await startStack(options());
  servers = again;
  expect(await query('select value from kept')).toEqual([{ value: 1 }]);
  await withChannel(async (channel) => {
    const message = await channel.get(queue, { noAck: true });
    expect(message && message.content.toString()).toBe('kept');
  });
  await withTemporal(async (client) => {
    const { status, searchAttributes } = await client.workflow.getHandle(workflowId).describe();
    expect(status.name).toBe('RUNNING');
    // oxlint-disable-next-line typescript/no-deprecated -- the shape in which the test above gave it
    expect(searchAttributes['InstanceStatus']).toEqual(['pending']);
  });
});

test('a reset is refused while the servers run, and wipes the folder afterwards', async () => {
  await expect(resetStack(directory)).rejects.toThrow(`already running (pid ${process.pid}`);
  await again?.stop();
  await resetStack(directory);
  expect(existsSync(directory)).toBe(false);
});

/** A process of its own that starts the stack, prints where it is and stays. */
function runForeground(): ChildProcess {
  const script = `
    import { startStack } from ${JSON.stringify(new URL('../../stack/stack.ts', import.meta.url).href)};
    console.log(JSON.stringify(await startStack(${JSON.stringify(options())})));
    setInterval(() => {}, 1000);`;
  return spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function firstLine(child: ChildProcess): Promise<StackServers> {
  if (child.stdout === null) throw new Error('Its output is not read.');
  const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), once(child, 'exit')]);
  return JSON.parse(String(line));
}

function readProcesses(): ProcessReference[] {
  return readdirSync(directory).flatMap((name) => readReference(join(directory, name, 'process.json')) ?? []);
}

async function listeningPorts(): Promise<number[]> {
  const urls = [servers.databaseUrl, servers.amqpUrl, servers.managementUrl, servers.temporal?.uiUrl];
  const ports = urls.map((url) => Number(new URL(url ?? '').port));
  const answers = await Promise.all(
    ports.map(async (port) => {
      const socket = openSocket(port, '127.0.0.1');
      const connected = await once(socket, 'connect').catch(() => undefined);
      socket.destroy();
      return connected ? [port] : [];
    }),
  );
  return answers.flat();
}

async function query(text: string): Promise<unknown[]> {
  const client = new Client(servers.databaseUrl);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

type Channel = Awaited<ReturnType<Awaited<ReturnType<typeof connect>>['createConfirmChannel']>>;

async function withChannel(use: (channel: Channel) => Promise<void>): Promise<void> {
  const connection = await connect(servers.amqpUrl);
  try {
    await use(await connection.createConfirmChannel());
  } finally {
    await connection.close();
  }
}

async function withTemporal(use: (client: TemporalClient) => Promise<void>): Promise<void> {
  const connection = await Connection.connect({ address: servers.temporal?.address ?? '' });
  try {
    await use(new TemporalClient({ connection }));
  } finally {
    await connection.close();
  }
}
