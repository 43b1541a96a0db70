import fc from 'fast-check';
import type { RestartPolicy } from '../../workflows/restart-policy.ts';
import { createSimulation, type Simulation, type Step } from './instance-simulation.ts';

/** From any state, with nothing new to hear and nothing going wrong, fewer steps than this lead to rest. */
export const stepsToRest = 40;

export interface Life {
  published: boolean;
  restart: RestartPolicy;
  replaces?: boolean;
  steps: Step[];
}

export type OnEvent = NonNullable<Parameters<typeof createSimulation>[0]['onEvent']>;

const pauses = { backoffMs: 1_000, maxBackoffMs: 1_500, resetAfterMs: 60_000 };
const restart: fc.Arbitrary<RestartPolicy> = fc.constantFrom(
  { policy: 'never', maxRestarts: 2, ...pauses },
  { policy: 'on_failure', maxRestarts: 2, ...pauses },
  { policy: 'always', maxRestarts: 1, ...pauses },
);
const desiredState = fc.constantFrom('running', 'running', 'stopped');
const pick = fc.nat({ max: 40 });
const change = fc.oneof(
  fc.record({ do: fc.constant('insert'), desiredState }),
  fc.record({ do: fc.constantFrom('changeConfig', 'toggle', 'remove') }),
);
const exit = fc.record({
  do: fc.constant('exit'),
  kind: fc.constantFrom('exited', 'exited', 'lost'),
  failed: fc.boolean(),
});
const ending = fc.constantFrom('done', 'done', 'done', 'failed', 'error', 'answerLost');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: change },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('publish'), restart }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('retire'), drain: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('retry'), again: fc.boolean() }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('deliver'), pick }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('deliverExit', 'deliverAgentEvent'), pick }) },
  { weight: 3, arbitrary: exit },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('pass'), durationMs: fc.constantFrom(500, 2_000, 60_000, 600_000) }),
  },
  { weight: 18, arbitrary: fc.record({ do: fc.constant('advance'), ending }) },
);

const host = fc.nat({ max: 2 });
const hostStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('loseHost'), host: fc.constantFrom(0, 0, 1, 2) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('recoverHost'), host }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('forgetHost', 'drainHost', 'undrainHost'), host }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('watch') }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('deliverNotice'), pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('terminate', 'continueAsNew') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('recordLate'), pick }) },
);

const number = fc.oneof(fc.nat({ max: 12 }), fc.constantFrom(999, Number.MAX_SAFE_INTEGER));
const betrayal: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('restore'), pick }),
  fc.record({
    do: fc.constant('forge'),
    message: fc.oneof(
      fc.record({ type: fc.constant('rowDeleted'), sequence: number }),
      fc.record({ type: fc.constant('rowChanged'), sequence: number, generation: number, desiredState }),
    ),
  }),
);

const lifeOf = (steps: fc.Arbitrary<Step>): fc.Arbitrary<Life> =>
  fc.record({
    published: fc.constantFrom(true, true, true, false),
    restart,
    replaces: fc.boolean(),
    steps: fc.array(steps, { maxLength: 60, size: 'max' }),
  });

/** Anything that may happen to an instance, in any order. */
export const life = lifeOf(step);

/** The same on hosts that are lost, come back, are drained and given up, with workflows that are terminated. */
export const lifeOnHosts = lifeOf(fc.oneof({ weight: 3, arbitrary: step }, { weight: 2, arbitrary: hostStep }));

/** The same, with restored backups and false messages in between. */
export const betrayedLife = lifeOf(
  fc.oneof({ weight: 8, arbitrary: step }, { weight: 3, arbitrary: hostStep }, { weight: 1, arbitrary: betrayal }),
);

export function play({ steps, ...world }: Life, onEvent?: OnEvent): Simulation {
  const simulation = createSimulation({ ...world, ...(onEvent && { onEvent }) });
  steps.forEach(simulation.take);
  return simulation;
}

/** Plays a life and lets it come to rest. */
export function settled(given: Life): Simulation {
  const simulation = play(given);
  simulation.settle({ limit: stepsToRest });
  return simulation;
}
