/**
 * Random rollouts on the real system: users change, stop, start, hold, switch, choose versions, insert and delete in the middle of waves,
 * and admins publish, begin, pause, resume, promote and abort. At the end of each sequence, every rollout has ended, rows, workflows,
 * processes and events agree, and the log shows that no more were moved at a time than might be.
 *
 * A failure prints the seed and the path of its sequence, which then runs alone:
 *
 *     ROLLOUT_SEED=7 ROLLOUT_PATH=3 npx vitest run --project long test/long/rollout-model.test.ts
 *
 * Time is part of what happens, so a sequence may need several runs to fail again.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { useRig } from '../support/rig.ts';
import { startEngine } from './rollouts/engine.ts';
import { untilAgreed } from './rollouts/model-checks.ts';
import { sequence, type Command } from './rollouts/model-commands.ts';
import { createWorld } from './rollouts/model-world.ts';

const { ROLLOUT_SEED, ROLLOUT_PATH, ROLLOUT_SEQUENCES } = process.env;
const seed = Number(ROLLOUT_SEED ?? 20_261);
const lanes = 4;
const sequencesPerLane = Number(ROLLOUT_SEQUENCES ?? 3);

const rig = useRig({ settings: { SWEEP_INTERVAL_SECONDS: '5' } });
let engine: Awaited<ReturnType<typeof startEngine>>;
const counts = new Map<string, number>();

beforeAll(async () => {
  engine = await startEngine(rig);
}, 120_000);
afterAll(async () => {
  const listed = [...counts].toSorted(([a], [b]) => a.localeCompare(b)).map(([what, count]) => `${what} ${count}`);
  process.stdout.write(`rollouts, seed ${seed}: ${listed.join(', ')}\n`);
  await engine?.stop();
}, 60_000);

test('whatever users and admins do, each rollout ends, and every instance is on the version that its end says', async () => {
  onTestFailed(() => void process.stderr.write(engine.output()));
  const property = fc.asyncProperty(sequence, runSequence);
  const runs =
    ROLLOUT_PATH === undefined
      ? Array.from({ length: lanes }, (_, lane) => ({ seed: seed + lane, numRuns: sequencesPerLane }))
      : [{ seed, path: ROLLOUT_PATH, numRuns: 1 }];
  const ended = await Promise.allSettled(runs.map((run) => fc.assert(property, { ...run, endOnFailure: true })));
  expect(ended.flatMap((run) => (run.status === 'rejected' ? [describe(run.reason)] : []))).toEqual([]);
}, 1_200_000);

async function runSequence(commands: Command[]): Promise<void> {
  const world = await createWorld(rig);
  for (const command of commands) await world.run(command);
  await untilAgreed(world);
  for (const [what, count] of await world.summary()) counts.set(what, (counts.get(what) ?? 0) + count);
}

function describe(reason: unknown): string {
  if (!(reason instanceof Error)) return String(reason);
  const { message, cause } = reason;
  return `${message}${cause instanceof Error ? `\n${cause.message}` : ''}`;
}
