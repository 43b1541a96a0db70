import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { vi } from 'vitest';
import { preparePython } from './python.ts';

/** A client of the bus in Python, which shares no code with the project. It prints a JSON object a line, and `{"ready": true}` first. */
export interface PythonClient {
  /** Waits for a line that matches. */
  find: (matches: (line: Record<string, unknown>) => boolean, timeoutMs: number) => Promise<Record<string, unknown>>;
  end: () => Promise<void>;
}

/** @throws Error if there is no Python */
export async function openPythonClient(script: string, amqpUrl: string): Promise<PythonClient> {
  const found = await preparePython();
  if ('missing' in found) throw new Error(found.missing);
  // Without -B, Python would leave a __pycache__ beside the modules that the script imports.
  const child = spawn(found.python, ['-B', script], {
    env: { ...process.env, AMQP_URL: amqpUrl },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close');
  const lines: Record<string, unknown>[] = [];
  let complaints = '';
  createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
  child.stderr.on('data', (text) => (complaints += String(text)));
  const client: PythonClient = {
    find: async (matches, timeout) =>
      vi.waitFor(
        () => {
          const line = lines.find(matches);
          if (!line) throw new Error(`${script} has not seen it. It printed: ${complaints}`);
          return line;
        },
        { timeout, interval: 100 },
      ),
    end: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
  await client.find(({ ready }) => ready === true, 20_000);
  return client;
}
