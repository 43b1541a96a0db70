import fc from 'fast-check';
import { checkBus } from './bus-agreement.ts';
import type { Command } from './commands.ts';
import { createLife } from './life.ts';
import { initialModel, remove } from './model.ts';
import { firstCommand, furtherCommands } from './random-sequences.ts';
import { untilAtRest } from './rest.ts';
import type { System } from './system.ts';

/** One sequence alone, as a failure names it. */
export interface Replay {
  seed: number;
  path: string;
}

interface LanesOptions {
  system: System;
  /** Lanes run at the same time; each runs its sequences one after the other. */
  lanes: number;
  sequencesPerLane: number;
  /** The seed of the first lane. Each further lane has the next seed. */
  seed: number;
  /** Whether workers stay alive. */
  watched: boolean;
  replay: Replay | undefined;
}

const shrinksOfReplay = 12;

/**
 * Runs the sequences of all lanes to their ends and fails with the failures of all of them. Shrinking on real servers is
 * slow, so a failure is only shrunk when it is replayed, and then in a few steps.
 */
export async function runLanes({
  system,
  lanes,
  sequencesPerLane,
  seed,
  watched,
  replay,
}: LanesOptions): Promise<void> {
  const further = replay ? fc.limitShrink(furtherCommands, shrinksOfReplay) : furtherCommands;
  const property = fc.asyncProperty(firstCommand, further, (first, commands) =>
    runSequence(system, [first, ...commands], { watched }),
  );
  const runs = replay
    ? [fc.assert(property, { ...replay, numRuns: 1 })]
    : Array.from({ length: lanes }, (_, lane) =>
        fc.assert(property, { seed: seed + lane, numRuns: sequencesPerLane, endOnFailure: true }),
      );
  await untilAllEnded(runs);
}

/** One life from before its row to after it, compared with the model. */
export async function runSequence(
  system: System,
  commands: Iterable<Command>,
  { watched }: Pick<LanesOptions, 'watched'>,
): Promise<void> {
  const life = await createLife(system);
  const model = initialModel({ watched });
  await fc.asyncModelRun(() => ({ model, real: life }), commands);
  await untilAtRest(model, life);
  if (model.row) {
    remove(model);
    await life.remove();
    await untilAtRest(model, life);
  }
  await checkBus(life, { repeats: !watched });
  system.count('sequences');
}

/** Rejects with all failures after everything has ended. */
export async function untilAllEnded(runs: readonly Promise<void>[]): Promise<void> {
  const failures = (await Promise.allSettled(runs)).flatMap((run) => (run.status === 'rejected' ? [run.reason] : []));
  if (failures.length > 0) throw new Error(failures.map(describeFailure).join('\n\n'), { cause: failures[0] });
}

function describeFailure(failure: unknown): string {
  const text = failure instanceof Error ? failure.message : String(failure);
  const cause = failure instanceof Error && failure.cause instanceof Error ? `\n${failure.cause.message}` : '';
  return `${text}${cause}`;
}
