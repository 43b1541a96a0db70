import type { Rig } from '../../support/rig.ts';
import { startWorkerProcess, type WorkerProcess } from '../../support/worker-process.ts';

const services = { 'agents-worker': 'agents_worker', 'event-broker': 'event_broker' } as const;
export type EngineProcess = keyof typeof services;

/**
 * The engine in its own processes. Resolves once they do their work.
 *
 * @param settings those of agents_worker alone
 */
export async function startEngine(rig: Rig, settings: Record<string, string> = {}) {
  const running = new Map<EngineProcess, WorkerProcess>();
  let output = '';
  const start = (name: EngineProcess): void =>
    void running.set(
      name,
      startWorkerProcess(name, {
        ...rig.environmentOf(services[name]),
        LOG_LEVEL: 'warn',
        ...(name === 'agents-worker' && settings),
      }),
    );
  const end = async (name: EngineProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    const ended = running.get(name);
    running.delete(name);
    await ended?.kill(signal);
    output += ended?.output() ?? '';
  };
  start('event-broker');
  start('agents-worker');
  await rig.untilBusIsQuiet();
  return {
    start,
    end,
    output: (): string => [output, ...[...running.values()].map((one) => one.output())].join('\n'),
    stop: () => Promise.all([...running.keys()].map((name) => end(name, 'SIGTERM'))),
  };
}
