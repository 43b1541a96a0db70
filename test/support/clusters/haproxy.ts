import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';

/** HAProxy with this configuration, which listens on a port of 127.0.0.1. */
export async function startHaproxy({
  program,
  configuration,
  port,
}: {
  program: string;
  configuration: string;
  port: number;
}): Promise<{ stop: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'haproxy-'));
  const file = join(directory, 'haproxy.cfg');
  await writeFile(file, configuration);
  const child = spawn(program, ['-db', '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (log += text));
  }
  const exit = once(child, 'exit');
  await vi.waitFor(async () => {
    if (child.exitCode !== null) throw new Error(`HAProxy ended: ${log}`);
    const socket = createConnection(port, '127.0.0.1');
    await once(socket, 'connect').finally(() => socket.destroy());
  });
  return {
    stop: async () => {
      child.kill('SIGTERM');
      await exit;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
