import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { stackRoot } from '../../stack/paths.ts';
import { choosePorts } from '../../stack/ports.ts';
import { readRunningStart } from '../../configuration/running-start.ts';
import { openBus } from '../support/bus.ts';
import { runInstances } from '../support/command-line.ts';

/** `npm start` as a person runs it, on a folder and ports of this test's own. */
const directory = join(stackRoot, 'start-test');
let portBase: number;
const started: NpmStart[] = [];
const lastLine = 'npx instances --help';

beforeAll(async () => {
  await rm(directory, { recursive: true, force: true });
  portBase = (await choosePorts('free')).postgres;
});

afterAll(async () => {
  await Promise.all(started.map(({ pressCtrlC }) => pressCtrlC()));
  await rm(directory, { recursive: true, force: true });
});

interface NpmStart {
  output: () => string;
  until: (text: string) => Promise<unknown>;
  pressCtrlC: () => Promise<void>;
}

function npmStart(): NpmStart {
  const child = spawn('npm', ['start'], {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    // A process group of its own, as a terminal gives it: Ctrl-C reaches all of it.
    detached: true,
    env: { ...process.env, STACK_DIRECTORY: directory, STACK_PORT_BASE: String(portBase) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const exit = once(child, 'close');
  const run: NpmStart = {
    output: () => output,
    until: (text: string) => vi.waitFor(() => expect(output).toContain(text), { timeout: 120_000, interval: 50 }),
    pressCtrlC: async () => {
      if (child.exitCode === null && child.signalCode === null && child.pid !== undefined)
        process.kill(-child.pid, 'SIGINT');
      await exit;
    },
  };
  started.push(run);
  return run;
}

test('npm start ends with a running instance; Ctrl-C stops everything; the next start finds it again', async () => {
  const first = npmStart();
  await first.until(lastLine);
  const [, id = ''] = /Inserted the instance (\S+);/.exec(first.output()) ?? [];
  expect(first.output()).toContain('The instance is running.');
  expect(first.output()).not.toContain('DeprecationWarning');
  expect(first.output()).toMatch(new RegExp(`instance.created ${id} +pending[^]*instance.updated ${id} +running`));

  const [pageUrl, userToken] = addressOf(first, 'as a user');
  const [, adminToken] = addressOf(first, 'as an admin');
  const adminUrl = /admin_backend +(\S+)\/openapi.json/.exec(first.output())?.[1] ?? '';
  expect(await (await fetch(pageUrl)).text()).toContain('<!doctype html>');
  expect(await get(`${pageUrl}/v1/instances`, userToken)).toMatchObject({ instances: [{ id, status: 'running' }] });
  expect(await get(`${adminUrl}/v1/agents`, adminToken)).toMatchObject({ agents: [{ name: 'heartbeat' }] });

  expect(await usersOf(readRunningStart(directory) ?? {})).toEqual({
    event_broker: 'event_broker',
    agents_worker: 'agents_worker',
    user_backend: 'user_backend',
    admin_backend: 'admin_backend',
  });

  const webUi = /Temporal Web UI +(\S+)/.exec(first.output())?.[1] ?? '';
  const query = encodeURIComponent(`InstanceStatus = "running"`);
  await vi.waitFor(
    async () => {
      const answer = await fetch(`${webUi}/api/v1/namespaces/default/workflows?query=${query}`);
      // Without any, the field is missing.
      const found = (await answer.json()) as { executions?: { execution: { workflowId: string } }[] };
      expect(found.executions?.map(({ execution }) => execution.workflowId)).toEqual([`instance/${id}`]);
    },
    { timeout: 20_000 },
  );

  const ofThisStart = { STACK_DIRECTORY: directory };
  const listed = await runInstances(['list', '--json', '--status', 'running'], ofThisStart);
  expect(JSON.parse(listed.out)).toEqual([expect.objectContaining({ id })]);

  await first.pressCtrlC();
  await vi.waitFor(() => assertPortsFree(), { timeout: 20_000 });
  expect((await runInstances(['list'], ofThisStart)).errors).toContain('run npm start');

  const second = npmStart();
  await second.until(lastLine);
  expect(second.output()).toContain(`Found the instance ${id}`);
  const { AMQP_URL = '', DATABASE_URL = '' } = readRunningStart(directory) ?? {};
  const bus = await openBus(AMQP_URL);
  await bus.close();
  for (const url of [AMQP_URL, DATABASE_URL]) {
    const { password, host } = new URL(url);
    expect(password).toMatch(/^[\w-]{43}$/);
    expect(second.output()).toContain(host);
    expect(second.output()).not.toContain(password);
  }
  const printed = /PostgreSQL +(postgres:\S+)/.exec(second.output())?.[1] ?? '';
  const passwordFile = new URL(printed).searchParams.get('passfile') ?? '';
  expect(await readFile(passwordFile, 'utf8')).toContain(`:${new URL(DATABASE_URL).password}\n`);
  expect((await stat(passwordFile)).mode & 0o777).toBe(0o600);
  await second.pressCtrlC();
  await vi.waitFor(() => assertPortsFree(), { timeout: 20_000 });
}, 240_000);

/** Of the page, and the token in it. */
function addressOf(start: NpmStart, who: string): [url: string, token: string] {
  const [, url = '', token = ''] = new RegExp(`${who} +(\\S+)/#token=(\\S+)`).exec(start.output()) ?? [];
  return [url, token];
}

async function get(url: string, token: string): Promise<unknown> {
  return (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).json();
}

/** As whom each service is logged in at PostgreSQL. */
async function usersOf({ DATABASE_URL }: Record<string, string>): Promise<Record<string, string>> {
  const client = new pg.Client(DATABASE_URL);
  await client.connect();
  const { rows } = await client.query<{ service: string; user: string }>(
    `select distinct application_name as service, usename as user from pg_stat_activity
     where application_name = any ($1)`,
    [['event_broker', 'agents_worker', 'user_backend', 'admin_backend']],
  );
  await client.end();
  return Object.fromEntries(rows.map(({ service, user }) => [service, user]));
}

async function assertPortsFree(): Promise<void> {
  await choosePorts(portBase);
}
