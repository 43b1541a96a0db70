import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface WorkerProcess {
  child: ChildProcess;
  /** Everything that it printed so far, on both streams. */
  output: () => string;
  /** Resolves with the exit code, or the signal that ended it. */
  exit: Promise<number | NodeJS.Signals | null>;
  kill: (signal: NodeJS.Signals) => Promise<number | NodeJS.Signals | null>;
}

export interface WorkerProcessOptions {
  node?: string;
  /** Folder of the compiled processes; null to start the process as production does, which compiles itself. */
  programs?: string | null;
  /** What goes before the command, such as a program that runs it in another network. */
  prefix?: readonly string[];
}

/** A process of `workers/` with exactly this environment (and PATH and HOME). */
export function startWorkerProcess(
  entry: string,
  environment: Record<string, string>,
  args: readonly string[] = [],
  { node = process.execPath, programs = inject('workerPrograms'), prefix = [] }: WorkerProcessOptions = {},
): WorkerProcess {
  const { PATH = '', HOME = '' } = process.env;
  const program = programs === null ? ['--import', 'tsx', `workers/${entry}.ts`] : [`${programs}/${entry}.mjs`];
  const [command, ...rest] = [...prefix, node, ...program, ...args] as [string, ...string[]];
  const child = spawn(command, rest, {
    cwd: root,
    env: { PATH, HOME, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const exit = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals | null);
  return {
    child,
    output: () => output,
    exit,
    kill: async (signal) => {
      child.kill(signal);
      return exit;
    },
  };
}
