import { counter, histogram } from './define.ts';

const of = ['agents_worker'] as const;
const what = '`of`: `rows`, or `host` for what a host keeps.';

const sweepSeconds = histogram(
  {
    name: 'sweep_seconds',
    help: `Duration of the sweeps, so that the count is that of the sweeps. ${what} \`outcome\`: \`succeeded\` or \`failed\`.`,
    labels: ['of', 'outcome'],
    of,
  },
  [0.1, 0.5, 1, 5, 15, 60, 300],
);

const drifts = counter({
  name: 'sweep_drifts_total',
  help: 'Instances, and agents with a rollout, that a sweep signalled because row, workflow and runtime did not agree, by kind of drift.',
  labels: ['drift'],
  of,
});

/** Counts a sweep, and what it found: the numbers in its result. */
export async function countSweep<Result extends object>(
  swept: 'rows' | 'host',
  sweep: () => Promise<Result>,
): Promise<Result> {
  const end = sweepSeconds.startTimer({ of: swept });
  try {
    const result = await sweep();
    for (const [drift, count] of Object.entries(result)) if (typeof count === 'number') drifts.inc({ drift }, count);
    end({ outcome: 'succeeded' });
    return result;
  } catch (error) {
    end({ outcome: 'failed' });
    throw error;
  }
}
