// `npm run test:compose`: docker-compose.yml as it is, on the Docker engine of this machine, from secrets to a whole life over HTTP.
// Not part of `npm test`: it pulls images and takes some minutes. Ports are those of the file, so that nothing else may have them.
// With `-- --substitutes` it pulls nothing, and builds the images that take their place (docs/development.md).
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { signDevelopmentToken } from '../../backends/http/development-tokens.ts';
import { until } from '../../stack/until.ts';
import { readComposeFile } from '../support/compose-file.ts';
import { follow, type Follower } from './follower.ts';
import { buildSubstitutes } from './substitutes/images.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'compose-'));
const secrets = join(folder, 'env');
const compose = ['compose', '--project-name=instance-engine-try', `--env-file=${secrets}`, '--file=docker-compose.yml'];
const userId = '8d1f6f3e-2b43-4f0e-8b1e-3c9a5d7e2b02';
const frontDoor = '127.0.0.1:27440';
const { values: options } = parseArgs({ options: { substitutes: { type: 'boolean', default: false } } });

try {
  if (options.substitutes) {
    const changes = join(folder, 'substitutes.json');
    await writeFile(changes, JSON.stringify(await buildSubstitutes(say)));
    compose.push(`--file=${changes}`);
  }
  await run(process.execPath, ['compose/secrets.mjs', secrets]);
  await run('docker', [...compose, 'up', '--build', '--wait', '--detach']);
  say('all services are healthy');
  await checkShards();
  const { user, admin, token } = await logIn();
  const id = await liveOnce(user, admin);
  say(`the instance ${id} was created, ran, stopped and was deleted over HTTP`);
  await serveWithReplicas(token, () => liveOnce(user, admin));
  say('three replicas of user_backend serve one address, also while one of them ends and another one is killed');
  await refuseOthers();
  say("Temporal's login reaches its own databases alone, and no login but the superuser's is one");
} catch (error) {
  await run('docker', [...compose, 'logs', '--tail=20']).catch(() => undefined);
  throw error;
} finally {
  await run('docker', [...compose, 'down', '--volumes']).catch(say);
  await rm(folder, { recursive: true });
}

/** Temporal keeps the number of its first start for ever. */
async function checkShards(): Promise<void> {
  const command = ['temporal', 'operator', 'cluster', 'describe', '--output=json'];
  const answer = await ask('run', '--rm', '--no-deps', 'temporal-namespace', ...command);
  const { temporal } = await readComposeFile();
  const wanted = Number(temporal?.environment['NUM_HISTORY_SHARDS']);
  assert.equal((JSON.parse(answer) as { historyShardCount?: number }).historyShardCount, wanted);
  say(`Temporal has ${wanted} history shards`);
}

async function logIn(): Promise<{ user: Call; admin: Call; token: string }> {
  const secret = /^JWT_SECRET=(.*)$/m.exec(await readFile(secrets, 'utf8'))?.[1] ?? '';
  const settings = { key: { secret }, issuer: undefined, audience: 'instance-engine' };
  const token = await signDevelopmentToken(settings, { userId });
  const adminToken = await signDevelopmentToken(settings, { userId, roles: ['admin'] });
  assert.ok(token !== undefined && adminToken !== undefined);
  return { user: call(`http://${frontDoor}`, token), admin: call('http://127.0.0.1:27441', adminToken), token };
}

/** From the publication of an agent to the deletion of an instance. Resolves with its id. */
async function liveOnce(user: Call, admin: Call): Promise<string> {
  const example = JSON.parse(await readFile(join(root, 'examples/heartbeat-agent/agent.json'), 'utf8'));
  const runtime = { ...example.runtime, working_directory: '/app/examples/heartbeat-agent' };
  const agent = await admin('POST', '/v1/agents', { ...example, runtime });
  const { id } = await user('POST', '/v1/instances', { agent_id: agent['id'], config: { interval_ms: 1000 } });
  const untilStatus = async (status: string): Promise<void> => {
    const isReached = async () => (await user('GET', `/v1/instances/${String(id)}`))['status'] === status;
    assert.ok(await until(isReached, 30_000), `the instance is not ${status} after 30 s`);
  };
  await untilStatus('running');
  const { host_id: hostId } = await user('GET', `/v1/instances/${String(id)}`);
  const { hosts } = (await admin('GET', '/v1/hosts')) as { hosts: { id: string; name: string }[] };
  assert.deepEqual(hosts.map(({ name }) => name).toSorted(), ['agents-worker', 'agents-worker-2']);
  const service = hosts.find((host) => host.id === hostId)?.name;
  assert.ok(service, `the instance runs on the host ${String(hostId)}, which is not listed`);
  await refuseSecrets(String(id), service);
  await user('POST', `/v1/instances/${String(id)}/stop`);
  await untilStatus('stopped');
  await user('DELETE', `/v1/instances/${String(id)}`);
  return String(id);
}

/** The agent of the instance runs as a user of its own, which cannot read the environment of any other process. */
async function refuseSecrets(id: string, service: string): Promise<void> {
  const inWorker = (...command: string[]): Promise<string> => ask('exec', '-T', ...command);
  const state = `/var/lib/instances/instance-${id}/state`;
  const uid = (await inWorker(service, 'stat', '--format=%u', state)).trim();
  assert.match(uid, /^[23]\d{4}$/);
  const script = 'cat /proc/[0-9]*/environ 2>/dev/null | grep -c DATABASE_URL=; ls /var/lib/instances 2>&1 || true';
  // `exec` hands the environment of the container to what it starts.
  const asAgent = ['--user', uid, service, 'env', '-i', 'PATH=/usr/bin:/bin', 'sh', '-c', script];
  assert.match(await inWorker(...asAgent), /^0\n.*denied/s);
  say('an agent runs as a user of its own, which reads no environment of a service and no list of instances');
}

/** Requests, and clients of live updates, go on at the front door while two of three replicas are lost and come back. */
async function serveWithReplicas(token: string, live: () => Promise<string>): Promise<void> {
  const scale = () =>
    run('docker', [...compose, 'up', '--wait', '--detach', '--no-recreate', '--scale=user-backend=3']);
  await scale();
  const replicas = await listReplicas();
  assert.equal(replicas.length, 3);
  const clients: Follower[] = [];
  try {
    // The front door finds a new replica within some seconds, and then gives it the next client.
    const haveAllClients = async (): Promise<boolean> => {
      clients.push(await follow(`ws://${frontDoor}`, token));
      return (await Promise.all(replicas.map(hasClients))).every(Boolean);
    };
    assert.ok(await until(haveAllClients, 30_000), `${clients.length} clients are not at all replicas`);
    await lose('stop', replicas[0] ?? '', clients);
    await lose('kill', replicas[1] ?? '', clients);
    assert.equal((await listReplicas()).length, 1);
    await scale();
    assert.equal((await listReplicas()).length, 3);
    const id = await live();
    for (const { statusesOf } of clients) {
      assert.ok(await until(() => statusesOf(id).includes('deleted'), 30_000), `${id}: ${statusesOf(id).join(', ')}`);
      assert.deepEqual(statusesOf(id), clients[0]?.statusesOf(id));
    }
    say(`each of ${clients.length} clients was pushed ${clients[0]?.statusesOf(id).join(', ')}`);
  } finally {
    for (const client of clients) client.end();
  }
}

async function listReplicas(): Promise<string[]> {
  return (await ask('ps', '--format={{.Name}}', 'user-backend')).split('\n').filter((line) => line !== '');
}

/** Ends a replica that has clients. Its clients connect to another one, and every request is answered. */
async function lose(command: 'stop' | 'kill', replica: string, clients: Follower[]): Promise<void> {
  const countConnections = (): number => clients.reduce((sum, client) => sum + client.connections(), 0);
  const before = countConnections();
  const answered = await countAnswersDuring(async () => {
    await run('docker', [command, replica]);
    const areBack = () => countConnections() > before && clients.every(({ isOpen }) => isOpen());
    assert.ok(await until(areBack, 30_000), `the clients of ${replica} did not connect again`);
  });
  const again = countConnections() - before;
  say(
    `docker ${command} of a replica: ${answered} requests were answered, ${again} of ${clients.length} clients moved`,
  );
}

/** Whether a connection to the port of the backend is established. */
async function hasClients(replica: string): Promise<boolean> {
  const { stdout } = await promisify(execFile)('docker', ['exec', replica, 'cat', '/proc/net/tcp']);
  return /^ *\d+: \w+:6B30 \w+:\w+ 01 /m.test(stdout);
}

async function countAnswersDuring(work: () => Promise<void>): Promise<number> {
  let isWorking = true;
  let answered = 0;
  const request = async (): Promise<void> => {
    for (; isWorking || answered < 100; answered += 1) {
      const { status } = await fetch(`http://${frontDoor}/openapi.json`);
      assert.equal(status, 200, `request ${answered} got ${status} while a replica ended`);
      // A replica answers some hundred requests of one address in a minute.
      await delay(50);
    }
  };
  await Promise.all([work().finally(() => (isWorking = false)), request()]);
  return answered;
}

async function refuseOthers(): Promise<void> {
  const asTemporal = (database: string) =>
    psql(`postgres://temporal:$TEMPORAL_DATABASE_PASSWORD@postgres/${database}`, 'select 1');
  await asTemporal('temporal_visibility');
  await assert.rejects(asTemporal('shared_psql'), /permission denied for database/);
  const superusers = await psql(
    'postgres://postgres:$PGPASSWORD@postgres',
    'select rolname from pg_roles where rolsuper',
  );
  assert.equal(superusers.trim(), 'postgres');
}

/** In a container of the service `database`, which has these passwords in its environment. */
async function psql(url: string, statement: string): Promise<string> {
  const script = `psql --tuples-only --no-align "${url}" --command="${statement}"`;
  return ask('run', '--rm', '--no-deps', '--entrypoint', 'sh', 'database', '-euc', script);
}

/** What `docker compose` prints. */
async function ask(...command: string[]): Promise<string> {
  return (await promisify(execFile)('docker', [...compose, ...command], { cwd: root })).stdout;
}

type Call = ReturnType<typeof call>;

function call(base: string, token: string) {
  return async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
    const headers = { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) };
    const answer = await fetch(base + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  };
}

async function run(command: string, args: string[]): Promise<void> {
  const child = spawn(command, args, { cwd: root, stdio: 'inherit' });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}`);
}

function say(text: unknown): void {
  process.stdout.write(`${String(text)}\n`);
}
