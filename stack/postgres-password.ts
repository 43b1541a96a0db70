import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { verifierOf } from '../database/service-logins.ts';
import { keepSecret, keptSecret, newSecret } from './kept-secret.ts';
import { superuser } from './postgres-data.ts';

export interface PasswordOptions {
  folder: string;
  data: string;
  program: string;
  user: { uid: number; gid: number } | undefined;
}

/**
 * The superuser's password, of this folder's own. Data that still has the one that everybody knows is given it before the server
 * listens anywhere.
 *
 * @throws Error with what PostgreSQL wrote
 */
export async function ensurePassword({ folder, data, program, user }: PasswordOptions): Promise<string> {
  const file = join(folder, 'password');
  if (existsSync(file)) return keptSecret(file);
  const password = newSecret();
  await runSingle({ data, program, user }, `alter role ${superuser} password '${verifierOf(password)}'`);
  // Kept last: a start that was cut short before sets another one.
  await keepSecret(file, password);
  return password;
}

/** Single-user mode, which needs no login: https://www.postgresql.org/docs/18/app-postgres.html#APP-POSTGRES-SINGLE-USER */
async function runSingle(
  { data, program, user }: Pick<PasswordOptions, 'data' | 'program' | 'user'>,
  statement: string,
): Promise<void> {
  const args = ['--single', '-D', data, '-c', 'exit_on_error=on', '-c', 'log_min_error_statement=panic', 'postgres'];
  const child = spawn(program, args, { cwd: data, stdio: ['pipe', 'ignore', 'pipe'], ...user });
  let written = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (written += text));
  child.stdin.on('error', () => undefined).end(`${statement}\n`);
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`PostgreSQL did not take a password for its superuser:\n${written.trim()}`);
}
