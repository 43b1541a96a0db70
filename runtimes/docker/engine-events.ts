import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { z } from 'zod';
import { reasonOf } from './engine-error.ts';
import type { DockerEngine } from './engine.ts';

const engineEvent = z.object({
  Action: z.string(),
  Actor: z.object({ ID: z.string(), Attributes: z.record(z.string(), z.string()).default({}) }),
  /** Seconds on the engine's clock. */
  time: z.number(),
  timeNano: z.number(),
});
export type EngineEvent = z.infer<typeof engineEvent>;

interface FollowOptions {
  engine: DockerEngine;
  /** The label of the containers to follow, as `name=value`. */
  label: string;
  /** Called on every connect before the first event, to find what happened while no connection was open. */
  onConnect: (signal: AbortSignal) => Promise<void>;
  onEvent: (event: EngineEvent) => void;
  logger: Logger;
  signal: AbortSignal;
  /** The lifetime of one connection. It is limited because a half-open connection raises no error. */
  connectionMs?: number;
}

const firstPauseMs = 100;
const longestPauseMs = 10_000;

/**
 * Follows the events of the engine's containers until the signal aborts. Reconnects with backoff and asks for all events
 * since the last one. Resolves once the first attempt to connect has succeeded or failed.
 */
export async function followEvents({
  engine,
  label,
  onConnect,
  onEvent,
  logger,
  signal,
  connectionMs = 60_000,
}: FollowOptions): Promise<void> {
  let since: number | undefined;
  let heardInThatSecond = new Set<string>();
  let failures = 0;

  /** The engine takes whole seconds, so it sends the events of the last second again. */
  const isNew = ({ Action, Actor, time, timeNano }: EngineEvent): boolean => {
    const key = `${timeNano} ${Action} ${Actor.ID}`;
    if (time !== since) heardInThatSecond = new Set();
    since = time;
    if (heardInThatSecond.has(key)) return false;
    heardInThatSecond.add(key);
    return true;
  };

  const listen = async (connected: () => void): Promise<void> => {
    const lifetime = AbortSignal.timeout(connectionMs);
    const until = AbortSignal.any([signal, lifetime]);
    try {
      const stream = await engine.events(label, since, until);
      // The loop below sees this error too; until it runs, an error without a listener would end the process.
      stream.on('error', () => undefined);
      await onConnect(until);
      if (failures > 0) logger.info({ host: engine.host }, 'the Docker engine answers again');
      failures = 0;
      connected();
      for await (const event of eventsOf(stream)) {
        if (isNew(event)) onEvent(event);
      }
      throw new Error('the engine ended the stream of events');
    } catch (error) {
      if (until.aborted) return;
      failures += 1;
      if (failures === 1)
        logger.warn({ host: engine.host, error: reasonOf(error) }, 'the Docker engine is away; trying again');
    }
  };

  const keepListening = async (attempted: () => void): Promise<void> => {
    while (!signal.aborted) {
      await listen(attempted);
      attempted();
      const pauseMs = Math.min(firstPauseMs * 2 ** failures, longestPauseMs) * (0.5 + Math.random() / 2);
      if (failures > 0) await delay(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  };

  await new Promise<void>((resolve) => void keepListening(resolve));
}

/** The stream has one JSON object per line. */
async function* eventsOf(stream: NodeJS.ReadableStream): AsyncGenerator<EngineEvent> {
  let rest = '';
  for await (const chunk of stream.setEncoding('utf8')) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield engineEvent.parse(JSON.parse(line));
  }
}
