// The process that runs the servers. stack.ts starts it.
import { errorMessage } from '../supervision/errors.ts';
import type { HostMessage, HostRequest } from './host-protocol.ts';
import { endLeftServers } from './left-servers.ts';
import { acquireLock } from './lock.ts';
import { referenceProcess } from './process-reference.ts';
import { type StartedServer, startServers } from './start-servers.ts';
import type { StackOptions } from './stack-options.ts';

const watchIntervalMs = 2_000;
const givenUp = new AbortController();
const started: StartedServer[] = [];
let starting: Promise<void> | undefined;
let ended: Promise<void> | undefined;
let clean = async (): Promise<void> => {};

// Files must be readable for the user that PostgreSQL runs as, whatever the umask of root.
process.umask(0o022);

process.on('message', (request: HostRequest) => {
  if (request.type === 'stop') stop();
  else starting = start(request.options).catch(fail);
});
process.on('disconnect', stop);
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop);

async function start(options: Omit<StackOptions, 'onProgress'>): Promise<void> {
  const onProgress = (line: string): void => send({ type: 'progress', line });
  const [host, foreground] = [process.pid, process.ppid].map((pid) => referenceProcess(pid));
  if (host === undefined || foreground === undefined)
    throw new Error('The process that asked for the servers has ended.');
  const release = await acquireLock(options.directory, { host, foreground }, { onProgress });
  clean = async () => {
    await endLeftServers(options.directory);
    release();
  };
  await endLeftServers(options.directory);
  const servers = await startServers({ ...options, onProgress, signal: givenUp.signal }, started);
  watch(onProgress);
  send({ type: 'ready', servers });
}

async function fail(error: unknown): Promise<void> {
  await end();
  const reason = errorMessage(error);
  console.error(reason);
  send({ type: 'failed', reason }, () => process.exit(1));
}

function stop(): void {
  givenUp.abort();
  void (async () => {
    await starting;
    await end();
    process.exit();
  })();
}

/** Ends the servers once. A server whose start was cut short is found by its record. */
function end(): Promise<void> {
  ended ??= (async () => {
    const results = await Promise.allSettled(started.map(({ server }) => server.stop()));
    for (const result of results) if (result.status === 'rejected') console.error(result.reason);
    await clean();
  })();
  return ended;
}

/** Reports a server that ended by itself, once. */
function watch(onProgress: (line: string) => void): void {
  const alive = new Set(started);
  setInterval(() => {
    for (const entry of alive) {
      if (ended !== undefined || entry.server.isRunning()) continue;
      alive.delete(entry);
      onProgress(`${entry.name} has ended unexpectedly. Its log: ${entry.server.logFile}`);
    }
  }, watchIntervalMs).unref();
}

function send(message: HostMessage, sent: () => void = () => {}): void {
  if (process.connected) process.send?.(message, undefined, undefined, sent);
  else sent();
}
