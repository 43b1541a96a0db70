import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Progress } from './server.ts';

const execute = promisify(execFile);

/** Runs a command to its end. The error quotes the end of what the command wrote. */
export async function runCommand(
  command: string,
  args: string[],
  { signal, cwd }: { signal?: AbortSignal | undefined; cwd?: string } = {},
): Promise<string> {
  try {
    const { stdout } = await execute(command, args, { signal, cwd, maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  } catch (error) {
    signal?.throwIfAborted();
    // Its message holds the command line and all of stderr.
    const reason = error instanceof Error ? error.message.trim().split('\n').slice(-10).join('\n') : String(error);
    throw new Error(`${command} ${args[0] ?? ''} failed: ${reason}`, { cause: error });
  }
}

export async function findOnPath(command: string): Promise<string | undefined> {
  try {
    return (await runCommand('sh', ['-c', 'command -v "$1"', 'sh', command])).trim() || undefined;
  } catch {
    return undefined;
  }
}

/** Reports the step, then its elapsed time every 10 s until the work ends. */
export async function withProgress<T>(step: string, onProgress: Progress, work: () => Promise<T>): Promise<T> {
  const began = Date.now();
  onProgress(step);
  const timer = setInterval(() => onProgress(`${step} ${Math.round((Date.now() - began) / 1000)} s`), 10_000);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
