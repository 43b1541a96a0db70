import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { runCommand } from '../../cli/run-command.ts';

const command = fileURLToPath(new URL('../../cli/instances.mjs', import.meta.url));

export interface CommandRun {
  /** What it printed so far. */
  out: () => string;
  errors: () => string;
  /** The exit code, once it has ended. */
  exit: Promise<number | null>;
  interrupt: () => void;
  /** Reads no more of what it prints, as `head` does. */
  closeOutput: () => void;
}

/** `npx instances …` as a process of its own, with exactly this environment (and PATH and HOME). */
export function startInstances(
  args: readonly string[],
  environment: Record<string, string>,
  { node = process.execPath }: { node?: string } = {},
): CommandRun {
  const child = spawn(node, [command, ...args], {
    env: withPathAndHome(environment),
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
    closeOutput: () => child.stdout.destroy(),
  };
}

export interface CommandResult {
  code: number;
  out: string;
  errors: string;
}

let previous: Promise<unknown> = Promise.resolve();

/**
 * The same in this process, which spares the second or two that Node.js takes to load it. One at a time, whoever calls:
 * environment and output are the process's.
 */
export function runInstances(args: readonly string[], environment: Record<string, string>): Promise<CommandResult> {
  const run = previous.then(() => runHere(args, environment));
  previous = run.catch(() => undefined);
  return run;
}

async function runHere(args: readonly string[], environment: Record<string, string>): Promise<CommandResult> {
  const before = process.env;
  const written = { out: '', errors: '' };
  const spies = (
    [
      ['out', process.stdout],
      ['errors', process.stderr],
    ] as const
  ).map(([name, stream]) =>
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      written[name] += String(text);
      return true;
    }),
  );
  process.env = withPathAndHome(environment);
  try {
    return { code: await runCommand(args), ...written };
  } finally {
    process.env = before;
    for (const spy of spies) spy.mockRestore();
  }
}

function withPathAndHome(environment: Record<string, string>): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env;
  return { PATH, HOME, ...environment };
}
