import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { HostMessage, HostRequest } from './host-protocol.ts';
import { endAgents } from '../runtimes/process/end-agents.ts';
import { endLeftServers } from './left-servers.ts';
import { untilFree } from './lock.ts';
import { agentsDirectory } from './paths.ts';
import { endContainer } from './rabbitmq-container.ts';
import { errorWithLog, logFileOf, openLog } from './server-log.ts';
import type { StackOptions, StackServers } from './stack-options.ts';

export interface Stack extends StackServers {
  /** Ends the servers cleanly; a second call waits for the first one. */
  stop(): Promise<void>;
}

const stopLimitMs = 90_000;

/**
 * Brings the servers up in a process of their own, which a Ctrl-C in the terminal does not reach and which stops them by
 * itself when this process ends in any way. Rejects with an error that says what to do when a server cannot be had, when a
 * port is taken, or when the folder is in use.
 */
export async function startStack({ onProgress = () => {}, ...options }: StackOptions): Promise<Stack> {
  const directory = resolve(options.directory);
  const toolsDirectory = resolve(options.toolsDirectory);
  mkdirSync(directory, { recursive: true });
  await untilFree(directory, onProgress);
  const logFile = logFileOf(directory, 'host');
  const host = forkHost(logFile);
  send(host, { type: 'start', options: { ...options, directory, toolsDirectory } });
  let isReady = false;
  let stopped: Promise<void> | undefined;
  const servers = await new Promise<StackServers>((resolveReady, reject) => {
    host.on('message', (message: HostMessage) => {
      if (message.type === 'progress') onProgress(message.line);
      if (message.type === 'failed') reject(new Error(message.reason));
      if (message.type !== 'ready') return;
      isReady = true;
      resolveReady(message.servers);
    });
    host.on('exit', () => {
      if (!isReady) reject(errorWithLog('The process that runs the servers ended.', logFile));
      else if (!stopped) onProgress(`The process that runs the servers ended unexpectedly. Its log: ${logFile}`);
    });
  });
  // The stack does not keep this process alive.
  host.unref();
  host.channel?.unref();
  return {
    ...servers,
    stop: () => (stopped ??= stopHost(host, directory)),
  };
}

/** Removes a stack's data and logs, and ends agents that were left. Rejects while it is running. */
export async function resetStack(directory: string): Promise<void> {
  await untilFree(resolve(directory));
  await endAgents(agentsDirectory(directory));
  await endLeftServers(directory);
  await endContainer(directory, { withData: true });
  rmSync(directory, { recursive: true, force: true });
}

function forkHost(logFile: string): ChildProcess {
  const log = openLog(logFile);
  try {
    return fork(join(import.meta.dirname, 'host.ts'), {
      cwd: join(import.meta.dirname, '..'),
      execArgv: ['--import', 'tsx'],
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
    });
  } finally {
    closeSync(log);
  }
}

async function stopHost(host: ChildProcess, directory: string): Promise<void> {
  host.ref();
  if (host.exitCode === null && host.signalCode === null) {
    send(host, { type: 'stop' });
    await once(host, 'exit', { signal: AbortSignal.timeout(stopLimitMs) }).catch(() => host.kill('SIGKILL'));
  }
  await endLeftServers(directory);
}

function send(host: ChildProcess, request: HostRequest): void {
  // An error here means that the host has ended, which its exit event reports.
  if (host.connected) host.send(request, () => {});
}
