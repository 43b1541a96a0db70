import {
  configure,
  insert,
  move,
  pause,
  redeliver,
  remove,
  rest,
  retire,
  retry,
  takeBack,
  terminate,
  toggle,
  type Command,
} from './commands.ts';

type Sequence = readonly Command[];

const inserted = insert(['plain', 'running']);
const everything = Array.from({ length: 24 }, (_, index) => index);
/** Commands in between may fall into any step of the engine. */
const pausesMs = [5, 20, 40, 60, 80, 100, 120, 140, 160];

/** Sequences that found faults. Random sequences seldom find the same faults. */
export const knownSequences: readonly Sequence[] = [
  // A repeated drain comes after its agent was published again.
  [inserted, rest(), retire(true), rest(), takeBack(), retry(), rest(), redeliver(everything), rest()],
  // The workflow forgets that the instance ran on a retired agent.
  [inserted, rest(), retire(false), rest(), terminate(), rest()],
  ...pausesMs.flatMap((ms): Sequence[] => [
    // Statuses of a deleted row are recorded for the next row of the same id.
    [inserted, configure(), configure(), pause(ms), remove(), inserted, rest()],
    // The deletion of a row is overlooked because the next row is read first.
    [inserted, pause(ms), remove(), inserted, redeliver(everything.toReversed()), rest()],
    // The drain is late: the instance runs another agent by now.
    [inserted, rest(), configure(), pause(ms), retire(true), pause(5), move('slow'), rest()],
    // The drain comes while the row still shows the status of the previous generation.
    [inserted, rest(), toggle(), rest(), terminate(), toggle(), pause(ms), retire(true), rest()],
  ]),
];
