import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { OpenRun } from './open-runs.ts';
import { probeRun } from './probe-run.ts';

export interface ProbeRunsOptions {
  client: Client;
  runs: AsyncIterable<OpenRun> | Iterable<OpenRun>;
  /** A probe replays a whole history where the worker has not cached it. */
  perSecond: number;
  signal: AbortSignal;
  onResult: (run: OpenRun, result: Awaited<ReturnType<typeof probeRun>>) => void;
}

/** Silent runs would otherwise fill the memory while no worker polls. */
const mostUnderWay = 50;

/** Probes runs at a limited rate, until all are probed or the signal is aborted. */
export async function probeRuns({ client, runs, perSecond, signal, onResult }: ProbeRunsOptions): Promise<void> {
  const underWay = new Set<Promise<void>>();
  let problem: { error: unknown } | undefined;
  let nextAt = performance.now();
  for await (const run of runs) {
    if (signal.aborted || problem) break;
    const probe = probeRun(client, run)
      .then((result) => onResult(run, result))
      .catch((error: unknown) => {
        problem ??= { error };
      })
      .finally(() => underWay.delete(probe));
    underWay.add(probe);
    if (underWay.size >= mostUnderWay) await Promise.race(underWay);
    nextAt = Math.max(nextAt + 1_000 / perSecond, performance.now());
    await delay(nextAt - performance.now(), undefined, { signal }).catch(() => undefined);
  }
  await Promise.all(underWay);
  if (problem) throw problem.error;
}
