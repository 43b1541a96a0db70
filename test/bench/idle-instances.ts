import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { startContender } from './contender.ts';
import { openEngine, type Engine } from './engine.ts';
import { median } from './measurement.ts';
import { sampleMemory } from './memory-of.ts';
import type { Bench } from './open-bench.ts';

/** Without news for this long, the engine has stopped making progress. */
const silenceMs = 120_000;
/** How long memory is looked at. */
const restSeconds = 15;

const countOf = (bench: Bench): number => bench.scaled(5_000, 100);

/**
 * Inserts instances in one statement that are to be stopped from the beginning: each gets a workflow, which stays open, and no agent.
 *
 * @returns the seconds until the bus says of each of them that it is at rest
 */
export async function insertIdle(
  { pool, watch, agentId }: Engine,
  count: number,
): Promise<{ ids: string[]; seconds: number }> {
  const ids = Array.from({ length: count }, randomUUID);
  const missing = new Set<string>(ids);
  let newsAt = performance.now();
  let stopListening = (): void => undefined;
  const began = performance.now();
  const settled = new Promise<void>((resolve) => {
    stopListening = watch.onEach(({ instanceId, status, isCurrent }) => {
      if (status !== 'stopped' || !isCurrent || !missing.delete(instanceId)) return;
      newsAt = performance.now();
      if (missing.size === 0) resolve();
    });
  });
  const silence = new AbortController();
  const silent = (async () => {
    while (!silence.signal.aborted) {
      await delay(1_000, undefined, { signal: silence.signal });
      if (performance.now() - newsAt > silenceMs)
        throw new Error(`${missing.size} of ${count} instances did not settle.`);
    }
  })();
  silent.catch(() => undefined);
  try {
    await pool.query(
      `insert into instances (id, agent_id, user_id, desired_state)
       select id, $2, gen_random_uuid(), 'stopped' from unnest($1::uuid[]) id`,
      [ids, agentId],
    );
    await Promise.race([settled, silent]);
    return { ids, seconds: (performance.now() - began) / 1_000 };
  } finally {
    silence.abort();
    stopListening();
  }
}

/** The memory of a process over a while, in MiB. */
export async function memoryOver(pid: number, seconds: number): Promise<number> {
  const memory = sampleMemory(pid);
  await delay(seconds * 1_000);
  memory.end();
  return median(memory.samples);
}

interface Settled {
  count: number;
  seconds: number;
  memoryMiB: number;
}

/** 5,000 rows in one statement, on an engine of their own, and the memory of agents_worker after that. */
export function settleInOneStatement(bench: Bench): Promise<Settled> {
  return bench.once('idle instances', async () => {
    const engine = await openEngine(bench);
    try {
      const { ids, seconds } = await insertIdle(engine, countOf(bench));
      return { count: ids.length, seconds, memoryMiB: await memoryOver(engine.pids.agents_worker, restSeconds) };
    } finally {
      await engine.close();
    }
  });
}

/** As many workflows of bare Temporal that are started by a signal, run an activity and stay open, 200 at once. */
export function settleOnBareTemporal(bench: Bench): Promise<Settled> {
  return bench.once('idle workflows', async () => {
    const contender = await startContender('floor.ts', { TEMPORAL_ADDRESS: bench.temporalAddress });
    bench.atEnd(contender.close);
    const { count, seconds } = await contender.run({ count: countOf(bench), inFlight: 200, leavesRunning: true });
    const memoryMiB = await memoryOver(contender.pid, restSeconds);
    await contender.close();
    return { count, seconds, memoryMiB };
  });
}
