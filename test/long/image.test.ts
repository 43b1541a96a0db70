import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { serviceNames } from '../../contracts/access.ts';
import { choosePorts } from '../../stack/ports.ts';
import { passwordVariable } from '../../configuration/secrets.ts';
import { readComposeFile, type Service } from '../support/compose-file.ts';
import { buildImage, type Image } from '../support/image.ts';
import { one, useRig } from '../support/rig.ts';

const rig = useRig();
let folder: string;
let image: Image;
let services: Record<string, Service>;
const started: Container[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'image-'));
  [image, services] = await Promise.all([buildImage(folder), readComposeFile()]);
}, 180_000);

afterAll(async () => {
  await Promise.all(started.map(({ end }) => end()));
  await rm(folder, { recursive: true, force: true });
});

interface Container {
  output: () => string;
  exit: Promise<number | null>;
  /** Resolves once the image's own health check says so. */
  healthy: () => Promise<unknown>;
  /** SIGTERM; resolves with the exit code. */
  end: () => Promise<number | null>;
}

/** A service of docker-compose.yml: what the image sets, then what the service sets, then the test's own servers. */
async function start(name: string, ownServers: Record<string, string> = {}): Promise<Container> {
  const { command = [], environment = {} } = services[name] ?? {};
  const { temporal: port } = await choosePorts('free');
  const { PATH = '', HOME = '' } = process.env;
  const { WORKFLOW_BUNDLE: _, ...servers } = rig.environmentOf(
    name === 'event-broker' ? 'event_broker' : 'agents_worker',
  );
  const [program = '', ...leading] = image.entrypoint;
  const child = spawn(program, [...leading, ...command], {
    cwd: image.folder,
    env: {
      PATH,
      HOME,
      ...image.environment,
      ...environment,
      ...servers,
      HEALTH_HOST: '127.0.0.1',
      // Users of their own for agents need root, and a checkout that every user can enter.
      AGENT_UIDS: '',
      EVENT_BROKER_HEALTH_PORT: String(port),
      AGENTS_WORKER_HEALTH_PORT: String(port),
      ...ownServers,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const exit = once(child, 'close').then(([code]) => code as number | null);
  const check = image.healthcheck.map((argument) => argument.replace(':8080/', `:${port}/`));
  const container = {
    output: () => output,
    exit,
    healthy: () =>
      vi.waitFor(() => promisify(execFile)(check[0] ?? '', check.slice(1)), { timeout: 60_000, interval: 200 }),
    end: () => {
      child.kill('SIGTERM');
      return exit;
    },
  };
  started.push(container);
  return container;
}

test('the image migrates an empty database', async () => {
  const name = `image_${process.pid}`;
  await rig.pool.query(`create database ${name}`);
  try {
    const databaseUrl = new URL(rig.environment.DATABASE_URL);
    databaseUrl.pathname = `/${name}`;
    // The roles are the server's, where somebody may use them with other passwords.
    const noPasswords = Object.fromEntries(serviceNames.map((role) => [passwordVariable(role, 'DATABASE'), '']));
    const migrate = await start('migrate', { DATABASE_URL: databaseUrl.href, ...noPasswords });
    expect(await migrate.exit).toBe(0);
    expect(migrate.output()).toMatch(/^Ran 0001_event_log, .*\.$/m);
  } finally {
    await rig.pool.query(`drop database ${name} with (force)`);
  }
});

test('its processes become healthy, run the example agent that it carries, and end on SIGTERM with 0', async () => {
  const processes = await Promise.all([start('event-broker'), start('agents-worker')]);
  await Promise.all(processes.map(({ healthy }) => healthy()));

  const example = join(image.folder, 'examples/heartbeat-agent');
  const { runtime } = JSON.parse(await readFile(join(example, 'agent.json'), 'utf8')) as { runtime: object };
  const agentId = await rig.publishAgent({ ...runtime, working_directory: example });
  const id = await rig.insertInstance(agentId);
  await rig.bus.until(id, 'instance.updated', 'running');
  expect(one(await rig.processes(id))).toBeGreaterThan(0);

  expect(await Promise.all(processes.map(({ end }) => end()))).toEqual([0, 0]);
});
