// `npm run test:compose`: docker-compose.yml as it is, on the Docker engine of this machine, from secrets to a whole life over HTTP.
// Not part of `npm test`: it pulls images and takes some minutes. Ports are those of the file, so that nothing else may have them.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { signDevelopmentToken } from '../../backends/http/development-tokens.ts';
import { until } from '../../stack/until.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'compose-'));
const secrets = join(folder, 'env');
const compose = ['compose', '--project-name', 'instance-engine-try', '--env-file', secrets];
const userId = '8d1f6f3e-2b43-4f0e-8b1e-3c9a5d7e2b02';

try {
  await run(process.execPath, ['compose/secrets.mjs', secrets]);
  await run('docker', [...compose, 'up', '--build', '--wait', '--detach']);
  say('all services are healthy');
  await liveOnce();
  say('an instance was created, ran, stopped and was deleted over HTTP');
  await serveWithReplicas();
  say('three replicas of user_backend answer at one address, also while one of them ends');
  await refuseOthers();
  say("Temporal's login reaches its own databases alone, and no login but the superuser's is one");
} catch (error) {
  await run('docker', [...compose, 'logs', '--tail=20']).catch(() => undefined);
  throw error;
} finally {
  await run('docker', [...compose, 'down', '--volumes']).catch(say);
  await rm(folder, { recursive: true });
}

async function liveOnce(): Promise<void> {
  const secret = /^JWT_SECRET=(.*)$/m.exec(await readFile(secrets, 'utf8'))?.[1] ?? '';
  const settings = { key: { secret }, issuer: undefined, audience: 'instance-engine' };
  const user = call('http://127.0.0.1:27440', await signDevelopmentToken(settings, { userId }));
  const admin = call('http://127.0.0.1:27441', await signDevelopmentToken(settings, { userId, roles: ['admin'] }));
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
}

/** The agent of the instance runs as a user of its own, which cannot read the environment of any other process. */
async function refuseSecrets(id: string, service: string): Promise<void> {
  const inWorker = async (...command: string[]): Promise<string> =>
    (await promisify(execFile)('docker', [...compose, 'exec', '-T', ...command], { cwd: root })).stdout;
  const state = `/var/lib/instances/instance-${id}/state`;
  const uid = (await inWorker(service, 'stat', '--format=%u', state)).trim();
  assert.match(uid, /^[23]\d{4}$/);
  const script = 'cat /proc/[0-9]*/environ 2>/dev/null | grep -c DATABASE_URL=; ls /var/lib/instances 2>&1 || true';
  // `exec` hands the environment of the container to what it starts.
  const asAgent = ['--user', uid, service, 'env', '-i', 'PATH=/usr/bin:/bin', 'sh', '-c', script];
  assert.match(await inWorker(...asAgent), /^0\n.*denied/s);
  say('an agent runs as a user of its own, which reads no environment of a service and no list of instances');
}

async function serveWithReplicas(): Promise<void> {
  const listReplicas = async (): Promise<string[]> => {
    const command = [...compose, 'ps', '--format', '{{.Name}}', 'user-backend'];
    const { stdout } = await promisify(execFile)('docker', command, { cwd: root });
    return stdout.split('\n').filter((line) => line !== '');
  };
  await run('docker', [...compose, 'up', '--wait', '--detach', '--no-recreate', '--scale', 'user-backend=3']);
  const replicas = await listReplicas();
  assert.equal(replicas.length, 3);
  let isStopping = true;
  const stopping = run('docker', ['stop', replicas[0] ?? '']).finally(() => (isStopping = false));
  for (let answered = 0; isStopping || answered < 100; answered += 1) {
    const { status } = await fetch('http://127.0.0.1:27440/openapi.json');
    assert.equal(status, 200, `request ${answered} got ${status} while one of three replicas ended`);
    // A replica answers some hundred requests of one address in a minute.
    await delay(20);
  }
  await stopping;
  assert.equal((await listReplicas()).length, 2);
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
  const command = ['run', '--rm', '--no-deps', '--entrypoint', 'sh', 'database', '-euc', script];
  return (await promisify(execFile)('docker', [...compose, ...command], { cwd: root })).stdout;
}

function call(base: string, token: string | undefined) {
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
