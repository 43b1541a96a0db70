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
/** What comes in between may fall into any step of the engine. */
const pausesMs = [5, 20, 40, 60, 80, 100, 120, 140, 160];

/** Sequences that found faults: random ones seldom come upon the same. */
export const knownSequences: readonly Sequence[] = [
  // A repeated order to drain, after its agent was published again.
  [inserted, rest(), retire(true), rest(), takeBack(), retry(), rest(), redeliver(everything), rest()],
  // The memory of what ran on a retired agent is lost.
  [inserted, rest(), retire(false), rest(), terminate(), rest()],
  ...pausesMs.flatMap((ms): Sequence[] => [
    // Statuses of a row that is gone are recorded for the next one of the same id.
    [inserted, configure(), configure(), pause(ms), remove(), inserted, rest()],
    // The end of a row is overlooked because the next one is read first.
    [inserted, pause(ms), remove(), inserted, redeliver(everything.toReversed()), rest()],
    // The drain is late: the instance runs another agent by now.
    [inserted, rest(), configure(), pause(ms), retire(true), pause(5), move('slow'), rest()],
    // The order to drain comes while the row still shows the status of the generation before.
    [inserted, rest(), toggle(), rest(), terminate(), toggle(), pause(ms), retire(true), rest()],
  ]),
];
