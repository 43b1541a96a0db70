/**
 * Random lives of instances on the real system: what users do and what accidents befall them, in any order. At the end of
 * each, row, workflow, runtime and bus agree with a small model, and once its row is deleted nothing is left of it.
 *
 * A failure prints the seed and the path of its sequence, which then runs alone:
 *
 *     MODEL_SEED=7 MODEL_PATH=3 npx vitest run --project model -t 'in peace'
 *
 * `MODEL_SEED` without a path runs other sequences than the usual ones. Time is part of what happens, so a sequence may need
 * several runs to fail again.
 */
import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, onTestFailed, test, vi } from 'vitest';
import { checkNothingIsLeft } from './bus-agreement.ts';
import { knownSequences } from './known-sequences.ts';
import { runLanes, runSequence, untilAllEnded, type Replay } from './lanes.ts';
import { openSystem, type System } from './system.ts';

const { MODEL_SEED, MODEL_PATH } = process.env;
const seed = Number(MODEL_SEED ?? 20_260);
const replay: Replay | undefined = MODEL_PATH === undefined ? undefined : { seed, path: MODEL_PATH };

const lanes = 24;
const peaceful = { lanes, sequencesPerLane: 5 };
const disturbed = { lanes: 60, sequencesPerLane: 1 };
const sequencesToRun = 200;
/** The pause between two disturbances, so that there is progress. */
const sequencesPerDisturbance = 6;

let system: System;

beforeAll(async () => {
  system = await openSystem();
});

afterAll(async () => {
  const counts = [...system.counts].toSorted(([a], [b]) => a.localeCompare(b));
  process.stdout.write(`model, seed ${seed}: ${counts.map(([what, count]) => `${what} ${count}`).join(', ')}\n`);
  // Every workflow is replayed, one after the other.
  await system.close();
}, 300_000);

test('in peace, each instance comes to rest where the model says, also where sequences once found faults', async () => {
  onTestFailed(() => void process.stderr.write(system.output()));
  const known = replay ? [] : knownSequences.map(async (sequence) => runKnown(sequence));
  await untilAllEnded([runLanes({ system, ...peaceful, seed, watched: true, replay }), ...known]);
}, 300_000);

test('so it does while agents_worker and event_broker are killed and started again', async () => {
  onTestFailed(() => void process.stderr.write(system.output()));
  const running = { yes: true };
  const run = runLanes({ system, ...disturbed, seed: seed + lanes, watched: false, replay }).finally(() => {
    running.yes = false;
  });
  await Promise.all([run, disturb(system, running)]);
}, 240_000);

test('that was true of at least 200 sequences, and nothing is left of them', async () => {
  expect(system.counts.get('sequences') ?? 0).toBeGreaterThanOrEqual(replay ? 0 : sequencesToRun);
  await checkNothingIsLeft(system, await readdir(system.rig.environment.RUNTIME_DIRECTORY));
});

async function runKnown(sequence: (typeof knownSequences)[number]): Promise<void> {
  try {
    await runSequence(system, sequence, { watched: true });
  } catch (cause) {
    throw new Error(sequence.join(', '), { cause });
  }
}

/** Runs disturbances one after the other, each after some progress since the one before. */
async function disturb({ restart, counts }: System, running: { yes: boolean }): Promise<void> {
  const disturbances = [
    () => restart('agents-worker', 'SIGKILL'),
    () => restart('event-broker', 'SIGKILL'),
    () => restart('agents-worker', 'SIGTERM'),
  ];
  for (let turn = 0; running.yes; turn += 1) {
    await disturbances[turn % disturbances.length]?.();
    const target = (counts.get('sequences') ?? 0) + sequencesPerDisturbance;
    await vi.waitUntil(() => !running.yes || (counts.get('sequences') ?? 0) >= target, { timeout: 240_000 });
  }
}
