import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../stack/command.ts';
import { installDebianPackage } from '../../stack/debian-package.ts';
import { stackRoot } from '../../stack/paths.ts';

const folder = fileURLToPath(new URL('../contract/python/', import.meta.url));

/** A Python with what a file of test/contract/python asks for, made once for each content of it; or why there is none. */
export async function preparePython(
  requirements = 'requirements.txt',
): Promise<{ python: string } | { missing: string }> {
  try {
    return { python: await makeEnvironment(join(folder, requirements)) };
  } catch (error) {
    const missing = `TESTS IN PYTHON ARE SKIPPED: ${error instanceof Error ? error.message : String(error)}`;
    process.stdout.write(`${missing}\n`);
    return { missing };
  }
}

async function makeEnvironment(requirements: string): Promise<string> {
  const hash = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex')
    .slice(0, 12);
  const environment = join(stackRoot, `python-${hash}`);
  const python = join(environment, 'bin', 'python');
  if (existsSync(python)) return python;
  await ensureVenv();
  // Renamed when complete: what was cut short is never used.
  const unfinished = `${environment}.${process.pid}`;
  try {
    await runCommand('python3', ['-m', 'venv', unfinished]);
    await runCommand(join(unfinished, 'bin', 'python'), [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--requirement',
      requirements,
    ]);
    await rename(unfinished, environment).catch((error: unknown) => {
      if (!existsSync(python)) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return python;
}

/** Debian keeps the module in a package of its own. */
async function ensureVenv(): Promise<void> {
  const hasVenv = () => runCommand('python3', ['-c', 'import venv, ensurepip']);
  try {
    await hasVenv();
  } catch (error) {
    if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
      throw new Error('no python3 with venv was found: install it', { cause: error });
    }
    await installDebianPackage('python3-venv', { hasService: false });
    await hasVenv();
  }
}

export interface BusClient<Line> {
  /** What it reported so far. */
  lines: Line[];
  send(line: object): void;
  /** Once it has read all lines. @throws Error with what it complained of */
  finish(): Promise<void>;
  /** At once, whatever it does. */
  end(): Promise<void>;
}

/** test/contract/python/bus_client.py, reading the schemas of that folder. */
export function startBusClient<Line>(options: {
  python: string;
  command: 'watch' | 'publish';
  amqpUrl: string;
  schemas: URL;
}): BusClient<Line> {
  const { python, command, amqpUrl, schemas } = options;
  const child = spawn(python, [join(folder, 'bus_client.py'), command, fileURLToPath(schemas)], {
    env: { ...process.env, AMQP_URL: amqpUrl },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  const lines: Line[] = [];
  createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line) as Line));
  const complaints: string[] = [];
  child.stderr.on('data', (text) => complaints.push(String(text)));
  return {
    lines,
    send: (line) => void child.stdin.write(`${JSON.stringify(line)}\n`),
    finish: async () => {
      child.stdin.end();
      const [code] = await ended;
      if (code !== 0) throw new Error(`bus_client.py ${command} ended with ${code}: ${complaints.join('')}`);
    },
    end: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
