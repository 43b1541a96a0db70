import type { Logger } from 'pino';
import { createExitReporter, type Report } from '../exit-reporter.ts';
import { quoteLastOutput } from '../last-output.ts';
import { classifyEnd, type ContainerEnd } from './container-end.ts';
import { labels } from './container-spec.ts';
import { followEvents, type EngineEvent } from './engine-events.ts';
import type { DockerEngine } from './engine.ts';
import { signalNumber } from './stop-signal.ts';

interface Watched {
  instanceId: string;
  /** `held`: this worker is starting or ending the container, so its end is not reported. */
  phase: 'held' | 'watched' | 'reported';
  /** Numbers of the signals that the engine was asked to send to the container. */
  signals: Set<number>;
  /** The exit code of an end that came while the container was held. */
  exitCode?: number;
}

export type ContainerWatcher = ReturnType<typeof createContainerWatcher>;

interface WatcherOptions {
  engine: DockerEngine;
  scope: string;
  logger: Logger;
}

/**
 * Reports ends of containers at least once. Every worker that watches reports an end, and reports it again after a
 * restart while the container exists; repeats have the same runtime id.
 */
export function createContainerWatcher({ engine, scope, logger }: WatcherOptions) {
  const label = `${labels.scope}=${scope}`;
  const containers = new Map<string, Watched>();
  const reporter = createExitReporter(logger);

  function entryOf(id: string, instanceId: string): Watched {
    const entry = containers.get(id) ?? { instanceId, phase: 'watched', signals: new Set<number>() };
    containers.set(id, entry);
    return entry;
  }

  /** From now on the end of the container is not reported. */
  function hold(id: string, instanceId: string): void {
    entryOf(id, instanceId).phase = 'held';
  }

  /** From now on the end of the container is reported, also an end that came while the container was held. */
  function watch(id: string, instanceId: string): void {
    const entry = entryOf(id, instanceId);
    entry.phase = 'watched';
    if (entry.exitCode !== undefined) ended(id, entry, { exitCode: entry.exitCode, seen: true });
  }

  function ended(id: string, entry: Watched, end: Omit<ContainerEnd, 'signals'>): void {
    if (entry.phase === 'held' && end.exitCode !== undefined) entry.exitCode = end.exitCode;
    if (entry.phase !== 'watched') return;
    entry.phase = 'reported';
    const { instanceId, signals } = entry;
    const attempt = async (report: Report): Promise<void> => {
      // The container was held again meanwhile, to be ended or replaced.
      if (entry.phase === 'held') return;
      const reading = await engine.inspect(id, reporter.signal);
      const { message, ...how } = classifyEnd({ ...end, signals }, reading);
      const output = reading
        ? quoteLastOutput((await engine.lastOutput(id))?.text)
        : 'Its output was removed with the container.';
      await report({ instanceId, runtimeId: id, ...how, message: `${message} ${output}` });
      logger.info({ instanceId, runtimeId: id, kind: how.kind }, message);
    };
    void reporter.deliver({ instanceId, runtimeId: id }, attempt);
  }

  function onEvent({ Action: action, Actor: { ID: id, Attributes: attributes } }: EngineEvent): void {
    const entry = entryOf(id, attributes[labels.instanceId] ?? '');
    if (action === 'kill') {
      const signal = signalNumber(attributes['signal'] ?? '');
      if (signal !== undefined) entry.signals.add(signal);
    } else if (action === 'die') {
      ended(id, entry, { exitCode: Number(attributes['exitCode']), seen: true });
    } else if (action === 'destroy') {
      // The engine sent `die` before, if the container was running.
      containers.delete(id);
    }
  }

  /** Finds what happened while no connection to the engine was open. */
  async function compare(signal: AbortSignal): Promise<void> {
    const before = [...containers];
    const found = await engine.list(label, signal);
    for (const { Id: id, State: state, Labels } of found) {
      if (state === 'created') continue;
      const entry = entryOf(id, Labels[labels.instanceId] ?? '');
      if (state !== 'exited' && state !== 'dead') continue;
      const reading = entry.phase === 'watched' ? await engine.inspect(id, signal) : undefined;
      if (reading) ended(id, entry, { exitCode: reading.exitCode, seen: false });
    }
    const there = new Set(found.map(({ Id }) => Id));
    for (const [id, entry] of before.filter(([known]) => !there.has(known))) {
      ended(id, entry, { seen: false });
      containers.delete(id);
    }
  }

  return {
    hold,
    watch,
    async start(report: Report): Promise<void> {
      reporter.start(report);
      await followEvents({ engine, label, onConnect: compare, onEvent, logger, signal: reporter.signal });
    },
    close: reporter.close,
  };
}
