import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const command = fileURLToPath(new URL('../../cli/instances.mjs', import.meta.url));

export interface CommandRun {
  /** What it printed so far. */
  out: () => string;
  errors: () => string;
  /** The exit code, once it has ended. */
  exit: Promise<number | null>;
  interrupt: () => void;
}

/** `npx instances …` with exactly this environment (and PATH and HOME). */
export function startInstances(args: readonly string[], environment: Record<string, string>): CommandRun {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [command, ...args], {
    env: { PATH, HOME, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  return {
    out: () => out,
    errors: () => errors,
    exit: once(child, 'close').then(([code]) => code as number | null),
    interrupt: () => child.kill('SIGINT'),
  };
}

export interface CommandResult {
  code: number | null;
  out: string;
  errors: string;
}

export async function runInstances(
  args: readonly string[],
  environment: Record<string, string>,
): Promise<CommandResult> {
  const run = startInstances(args, environment);
  const code = await run.exit;
  return { code, out: run.out(), errors: run.errors() };
}
