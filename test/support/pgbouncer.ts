import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';

export interface Pgbouncer {
  /** The same login and database, through the pooler. */
  through: (databaseUrl: string) => string;
  stop: () => Promise<void>;
}

/** PgBouncer with its default settings, but for transactions as the unit of pooling, in front of one server. */
export async function startPgbouncer(program: string, databaseUrls: readonly string[]): Promise<Pgbouncer> {
  const directory = await mkdtemp(join(tmpdir(), 'pgbouncer-'));
  const port = await freePort();
  const { hostname, port: serverPort } = new URL(databaseUrls[0] ?? '');
  const users = databaseUrls.map((url) => {
    const { username, password } = new URL(url);
    return `"${username}" "${password}"\n`;
  });
  const isRoot = process.getuid?.() === 0;
  const configuration = [
    '[databases]',
    `* = host=${hostname} port=${serverPort}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = scram-sha-256',
    `auth_file = ${join(directory, 'users.txt')}`,
    'pool_mode = transaction',
    // Two: statements of one client come to another's server process all the time.
    'default_pool_size = 2',
    // It refuses to run as root.
    ...(isRoot ? ['user = nobody'] : []),
  ];
  await writeFile(join(directory, 'users.txt'), users.join(''));
  await writeFile(join(directory, 'pgbouncer.ini'), `${configuration.join('\n')}\n`);
  if (isRoot) await chmod(directory, 0o755);
  const child = spawn(program, [join(directory, 'pgbouncer.ini')], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  const exit = once(child, 'exit');
  await vi.waitUntil(
    () => {
      if (child.exitCode !== null) throw new Error(`PgBouncer ended: ${log}`);
      return log.includes('process up');
    },
    { timeout: 20_000 },
  );
  return {
    through: (databaseUrl) => Object.assign(new URL(databaseUrl), { host: `127.0.0.1:${port}` }).href,
    stop: async () => {
      child.kill('SIGINT');
      const timer = setTimeout(() => child.kill('SIGKILL'), 2_000);
      await exit;
      clearTimeout(timer);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
