import pRetry from 'p-retry';
import type { Logger } from 'pino';
import { quoteLastOutput } from '../last-output.ts';
import type { RuntimeExit } from '../runtime.ts';
import { classifyEnd, type ContainerEnd } from './container-end.ts';
import { labels } from './container-spec.ts';
import { followEvents, type EngineEvent } from './engine-events.ts';
import type { DockerEngine } from './engine.ts';
import { signalNumber } from './stop-signal.ts';

interface Watched {
  instanceId: string;
  /** `held`: being started or ended by this worker, so its end is no news. */
  phase: 'held' | 'watched' | 'reported';
  /** Numbers of the signals that somebody had the engine send it. */
  signals: Set<number>;
  /** Seen while it was held. */
  exitCode?: number;
}

type Report = (exit: RuntimeExit) => Promise<void>;

export type ContainerWatcher = ReturnType<typeof createContainerWatcher>;

interface WatcherOptions {
  engine: DockerEngine;
  scope: string;
  logger: Logger;
}

/**
 * Reports ends of containers at least once, each by every worker that watches and again after a restart for as long as
 * the container is there: the engine remembers the end, and a runtime id tells repeats apart.
 */
export function createContainerWatcher({ engine, scope, logger }: WatcherOptions) {
  const label = `${labels.scope}=${scope}`;
  const containers = new Map<string, Watched>();
  const closing = new AbortController();

  /** The entry of a container, made when this is the first that is heard of it. */
  function entryOf(id: string, instanceId: string): Watched {
    const entry = containers.get(id) ?? { instanceId, phase: 'watched', signals: new Set<number>() };
    containers.set(id, entry);
    return entry;
  }

  /** From now on the end of the container is no news. */
  function hold(id: string, instanceId: string): void {
    entryOf(id, instanceId).phase = 'held';
  }

  /** From now on its end is reported, also one that came while it was held. */
  function watch(id: string, instanceId: string, report: Report): void {
    const entry = entryOf(id, instanceId);
    entry.phase = 'watched';
    if (entry.exitCode !== undefined) ended(id, entry, { exitCode: entry.exitCode, seen: true }, report);
  }

  function ended(id: string, entry: Watched, end: Omit<ContainerEnd, 'signals'>, report: Report): void {
    if (entry.phase === 'held' && end.exitCode !== undefined) entry.exitCode = end.exitCode;
    if (entry.phase !== 'watched') return;
    entry.phase = 'reported';
    deliver(id, entry, { ...end, signals: entry.signals }, report).catch((error: unknown) => {
      // On closing: whoever watches next finds it ended.
      if (!closing.signal.aborted)
        logger.error({ err: error, runtimeId: id }, 'the end of a container is not reported');
    });
  }

  async function deliver(id: string, entry: Watched, end: ContainerEnd, report: Report): Promise<void> {
    const { instanceId } = entry;
    const attempt = async (): Promise<void> => {
      // Asked to be ended meanwhile, or replaced.
      if (entry.phase === 'held') return;
      const reading = await engine.inspect(id, closing.signal);
      const { message, ...how } = classifyEnd(end, reading);
      const output = reading ? quoteLastOutput((await engine.lastOutput(id))?.text) : 'Its output is gone with it.';
      await report({ instanceId, runtimeId: id, ...how, message: `${message} ${output}` });
      logger.info({ instanceId, runtimeId: id, kind: how.kind }, message);
    };
    // Wrapped, because the retrying library takes a TypeError for a mistake that is not worth another try.
    const wrapped = () => attempt().catch((cause: unknown) => Promise.reject(new Error('not accepted', { cause })));
    await pRetry(wrapped, {
      retries: Infinity,
      minTimeout: 250,
      maxTimeout: 30_000,
      randomize: true,
      unref: true,
      signal: closing.signal,
      onFailedAttempt: ({ error, attemptNumber }) =>
        logger.warn(
          { err: error, instanceId, runtimeId: id, attemptNumber },
          'the end of a container is not reported yet',
        ),
    });
  }

  function onEvent({ Action: action, Actor: { ID: id, Attributes: attributes } }: EngineEvent, report: Report): void {
    const entry = entryOf(id, attributes[labels.instanceId] ?? '');
    if (action === 'kill') {
      const signal = signalNumber(attributes['signal'] ?? '');
      if (signal !== undefined) entry.signals.add(signal);
    } else if (action === 'die') {
      ended(id, entry, { exitCode: Number(attributes['exitCode']), seen: true }, report);
    } else if (action === 'destroy') {
      // No end is missed by this: one that was running has had its `die` before.
      containers.delete(id);
    }
  }

  /** Compares what is there with what was: for all that happened while nothing was heard. */
  async function compare(report: Report, signal: AbortSignal): Promise<void> {
    const before = [...containers];
    const found = await engine.list(label, signal);
    for (const { Id: id, State: state, Labels } of found) {
      if (state === 'created') continue;
      const entry = entryOf(id, Labels[labels.instanceId] ?? '');
      if (state !== 'exited' && state !== 'dead') continue;
      const reading = entry.phase === 'watched' ? await engine.inspect(id, signal) : undefined;
      if (reading) ended(id, entry, { exitCode: reading.exitCode, seen: false }, report);
    }
    const there = new Set(found.map(({ Id }) => Id));
    for (const [id, entry] of before.filter(([known]) => !there.has(known))) {
      ended(id, entry, { seen: false }, report);
      containers.delete(id);
    }
  }

  let startReporting!: (report: Report) => void;
  const reporting = new Promise<Report>((resolve) => {
    startReporting = resolve;
  });
  const report: Report = async (exit) => (await reporting)(exit);

  return {
    hold,
    watch: (id: string, instanceId: string): void => watch(id, instanceId, report),
    async start(given: Report): Promise<void> {
      startReporting(given);
      await followEvents({
        engine,
        label,
        onConnect: (signal) => compare(report, signal),
        onEvent: (event) => onEvent(event, report),
        logger,
        signal: closing.signal,
      });
    },
    close: (): void => closing.abort(new Error('the watcher is closed')),
  };
}
