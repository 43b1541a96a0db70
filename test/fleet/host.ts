import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endAgents } from '../../runtimes/process/end-agents.ts';
import type { Rig } from '../support/rig.ts';
import { canMakeNamespaces, openNetworkNamespace } from '../support/network-namespace.ts';
import { openTcpProxy } from '../support/tcp-proxy.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';

/**
 * A folder of agents with one agents_worker, which reaches every server through a network that a test can take away: a network namespace
 * where the tests run as root, and proxies elsewhere.
 *
 * @param hasNetwork false where the settings name servers that only this machine reaches
 */
export type Host = Awaited<ReturnType<typeof openHost>>;

export async function openHost(rig: Rig, name: string, settings: Record<string, string>, { hasNetwork = true } = {}) {
  const directory = await mkdtemp(join(tmpdir(), `${name}-`));
  const { DATABASE_URL, AMQP_URL, TEMPORAL_ADDRESS } = rig.environment;
  const network = hasNetwork && (await canMakeNamespaces()) ? await openNetworkNamespace() : undefined;
  const targets = [new URL(DATABASE_URL).host, new URL(AMQP_URL).host, TEMPORAL_ADDRESS];
  const [database, amqp, temporal] = await Promise.all(targets.map((target) => openTcpProxy(target, network?.gateway)));
  const proxies = [database, amqp, temporal].filter((proxy) => proxy !== undefined);
  const own = rig.environmentOf('agents_worker');
  const via = (url: string | undefined, proxy = proxies[0]) =>
    Object.assign(new URL(url ?? ''), { host: proxy?.address }).href;
  const environment = {
    ...own,
    DATABASE_URL: via(own['DATABASE_URL'], database),
    AMQP_URL: via(own['AMQP_URL'], amqp),
    TEMPORAL_ADDRESS: temporal?.address ?? '',
    RUNTIME_DIRECTORY: directory,
    HOST_NAME: name,
    ...settings,
  };
  let output = '';
  let worker: WorkerProcess | undefined;

  const host = {
    name,
    directory,
    start: (): void => {
      worker ??= startWorkerProcess('agents-worker', environment, [], { prefix: network?.prefix ?? [] });
    },
    /** Ends the worker alone: its agents run on. */
    end: async (signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
      const ended = worker;
      worker = undefined;
      ended?.child.kill('SIGCONT');
      await ended?.kill(signal);
      output += ended?.output() ?? '';
    },
    pause: (): void => void worker?.child.kill('SIGSTOP'),
    resume: (): void => void worker?.child.kill('SIGCONT'),
    /** From now on the worker reaches no server, and its connections stay open without an answer. */
    partition: async (): Promise<void> => {
      if (network) return network.disconnect();
      for (const proxy of proxies) proxy.mute();
    },
    heal: async (): Promise<void> => {
      if (network) return network.connect();
      await Promise.all(proxies.map(async (proxy) => proxy.cut().then(() => proxy.restore())));
    },
    output: (): string => output + (worker?.output() ?? ''),
    close: async (): Promise<void> => {
      await host.end('SIGTERM');
      await Promise.all(proxies.map((proxy) => proxy.cut()));
      await network?.remove();
      await endAgents(directory);
      await rm(directory, { recursive: true, force: true });
    },
  };
  host.start();
  return host;
}
