import fc from 'fast-check';

/** What users and admins do. Numbers choose among the instances, versions and rollouts that there are. */
export type Command =
  | { by: 'user'; do: 'configure' | 'stop' | 'start' | 'hold' | 'follow' | 'switchAgent' | 'delete'; instance: number }
  | { by: 'user'; do: 'choose'; instance: number; version: number }
  | { by: 'user'; do: 'insert'; version: number | null }
  | { by: 'admin'; do: 'publish'; kind: VersionKind; strategy: Strategy; startsRollout: boolean }
  | { by: 'admin'; do: 'request'; version: number; strategy: Strategy }
  | { by: 'admin'; do: 'pause' | 'resume' | 'promote' | 'abort' }
  | { by: 'time'; do: 'wait'; ms: number };

/** `good` runs; `crashing` ends at its start. */
export type VersionKind = 'good' | 'crashing';

export type Strategy = Record<string, unknown> & { max_parallel: { count: number } };

const choice = fc.nat({ max: 1_000 });

const strategy: fc.Arbitrary<Strategy> = fc
  .record({
    canary: fc.record({ count: fc.integer({ min: 1, max: 3 }), one_per_user: fc.boolean() }),
    max_parallel: fc.record({ count: fc.integer({ min: 1, max: 3 }) }),
    max_failures: fc.record({ count: fc.integer({ min: 0, max: 1 }) }),
    min_healthy_seconds: fc.constantFrom(0, 1),
    pause_between_waves_seconds: fc.constantFrom(0, 0, 1),
    auto_promote: fc.boolean(),
    auto_rollback: fc.constantFrom(true, true, false),
    on_new_version: fc.constantFrom('supersede', 'queue', 'refuse'),
  })
  .map(({ on_new_version, max_failures: { count }, ...rest }) => ({
    ...rest,
    // A failure that is allowed keeps its place, and the rollout needs another one to go on.
    max_failures: { count: Math.min(count, rest.max_parallel.count - 1) },
    // No instance takes as long on a machine that is busy, so nothing fails but what crashes.
    healthy_deadline_seconds: 150,
    ...(on_new_version !== 'refuse' && { on_new_version }),
  }));

const ofUser = fc.oneof(
  fc.record({
    by: fc.constant('user' as const),
    do: fc.constantFrom('configure', 'configure', 'stop', 'start', 'start', 'hold', 'follow', 'switchAgent', 'delete'),
    instance: choice,
  }),
  fc.record({
    by: fc.constant('user' as const),
    do: fc.constant('choose' as const),
    instance: choice,
    version: choice,
  }),
  fc.record({
    by: fc.constant('user' as const),
    do: fc.constant('insert' as const),
    version: fc.option(choice),
  }),
);

const publish = fc.record({
  by: fc.constant('admin' as const),
  do: fc.constant('publish' as const),
  kind: fc.constantFrom('good', 'good', 'crashing'),
  strategy,
  startsRollout: fc.constantFrom(true, true, false),
});
const ofAdmin = fc.oneof(
  publish,
  fc.record({ by: fc.constant('admin' as const), do: fc.constant('request' as const), version: choice, strategy }),
  fc.record({
    by: fc.constant('admin' as const),
    do: fc.constantFrom('pause', 'pause', 'resume', 'resume', 'promote', 'promote', 'abort'),
  }),
);

const wait = fc.record({
  by: fc.constant('time' as const),
  do: fc.constant('wait' as const),
  ms: fc.constantFrom(50, 200, 500, 1_000, 2_000),
});

const command = fc.oneof(
  { weight: 5, arbitrary: ofUser },
  { weight: 3, arbitrary: ofAdmin },
  { weight: 3, arbitrary: wait },
) as fc.Arbitrary<Command>;

/**
 * Begins with a rollout, because nothing of interest happens before one. Without a bias, which would make the few sequences of a run much
 * like one another.
 */
export const sequence: fc.Arbitrary<Command[]> = fc
  .noBias(fc.tuple(publish, fc.array(command, { minLength: 8, maxLength: 25, size: 'max' })))
  .map(([first, others]) => [{ ...first, startsRollout: true }, ...others]);
