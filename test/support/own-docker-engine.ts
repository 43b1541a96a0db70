import { createHash } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../../stack/command.ts';
import { stackRoot } from '../../stack/paths.ts';
import { endProcess, endRecorded } from '../../stack/process-reference.ts';
import { spawnServer, untilReady } from '../../stack/server.ts';
import { engineAt } from './docker-images.ts';

/**
 * An engine of the tests' own, apart from one of the machine: with containerd, data and socket of its own, and without a
 * network. What it holds open lies in a short path, as the names of sockets may not be long.
 */
export function ownDockerEngine(name: string) {
  const directory = join(stackRoot, `docker-${name}`);
  const running = join(tmpdir(), `docker-${name}-${createHash('sha256').update(directory).digest('hex').slice(0, 8)}`);
  const host = `unix://${join(running, 'docker.sock')}`;
  const recordFile = join(directory, 'process.json');
  const logFile = join(directory, 'dockerd.log');

  async function start(): Promise<void> {
    mkdirSync(directory, { recursive: true });
    mkdirSync(running, { recursive: true, mode: 0o700 });
    const reference = await spawnServer({
      // A test run that is killed takes its engine along.
      command: 'setpriv',
      args: [
        '--pdeathsig=TERM',
        'dockerd',
        `--host=${host}`,
        `--data-root=${join(directory, 'data')}`,
        `--exec-root=${join(running, 'exec')}`,
        `--pidfile=${join(running, 'dockerd.pid')}`,
        '--storage-driver=vfs',
        '--bridge=none',
        '--iptables=false',
        '--ip6tables=false',
        '--log-level=warn',
      ],
      logFile,
      recordFile,
    });
    const probe = () => engineAt(host).ping();
    await untilReady({ name: 'dockerd', reference, logFile, probe, timeoutMs: 30_000 }).catch(
      async (error: unknown) => {
        await endProcess(reference);
        throw error;
      },
    );
  }

  /** Its containers end with it. */
  const stop = (): Promise<void> => endRecorded(recordFile);

  /** What is mounted in its folders, the latest first. */
  async function mounts(): Promise<string[]> {
    const lines = (await readFile('/proc/self/mounts', 'utf8')).split('\n');
    const paths = lines.map((line) => (line.split(' ')[1] ?? '').replaceAll(String.raw`\040`, ' '));
    return paths.filter((path) => path.startsWith(`${directory}/`) || path.startsWith(`${running}/`)).toReversed();
  }

  /** Ends also what an earlier run has left. */
  async function remove(): Promise<void> {
    await stop();
    if ((await mounts()).length > 0) {
      // One that was killed has left containers running: another one on the same folder takes them over and ends them.
      await start();
      await stop();
    }
    for (const path of await mounts()) await runCommand('umount', [path]);
    rmSync(directory, { recursive: true, force: true });
    rmSync(running, { recursive: true, force: true });
  }

  return { host, start, stop, remove };
}
