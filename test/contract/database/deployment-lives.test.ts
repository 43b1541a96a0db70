import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deploymentActions } from '../../../database/deployments/request.ts';
import { openDeploymentLife, type Happening } from '../../support/deployment-lives.ts';
import { createDeploymentRows } from '../../support/deployment-rows.ts';
import { openEventLog } from '../../support/event-log.ts';

let log: Awaited<ReturnType<typeof openEventLog>>;
beforeAll(async () => {
  log = await openEventLog();
});
afterAll(() => log.close());

const steps = fc.record({ kind: fc.constant('steps' as const), count: fc.integer({ min: 1, max: 5 }) });
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 4, arbitrary: steps },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('person' as const), action: fc.constantFrom(...deploymentActions) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('workers' as const),
      of: fc.constantFrom('candidate' as const, 'previous' as const),
      run: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('failure' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('stranger' as const),
      does: fc.constantFrom(
        'manages' as const,
        'unsets the ramp' as const,
        'makes the previous build current' as const,
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('terminated' as const) }) },
);
const strategy = fc.record({
  steps: fc.constantFrom([100], [10, 100], [1, 10, 50, 100]),
  auto_promote: fc.boolean(),
  auto_rollback: fc.boolean(),
  rollback_window_seconds: fc.constantFrom(0, 0, 3_600),
});

test('whatever happens to a deployment in whatever order, it ends, and the routing is that of its end', async () => {
  await fc.assert(
    fc.asyncProperty(strategy, fc.array(happening, { minLength: 1, maxLength: 14 }), async (chosen, happenings) => {
      const rows = await createDeploymentRows(log.databaseUrl);
      try {
        const id = await rows.request(rows.builds.candidate, chosen);
        const life = openDeploymentLife(rows, id);
        for (const each of happenings) await life.happen(each);
        await life.calm();
        const { status } = await rows.deployment(id);
        expect(['drained', 'refused', 'rolled_back', 'aborted']).toContain(status);
        expect(life.routing).toMatchObject({
          currentBuildId: status === 'drained' ? rows.builds.candidate : rows.builds.previous,
          rampingBuildId: null,
          percentage: 0,
        });
        for (const action of deploymentActions) expect(await life.ask(action)).toBe(false);
      } finally {
        await rows.close();
      }
    }),
    {
      numRuns: 25,
      examples: [
        // A person pauses the deployment, it fails while it is paused, and is resumed.
        [
          { steps: [100], auto_promote: true, auto_rollback: false, rollback_window_seconds: 0 },
          [
            { kind: 'steps', count: 5 },
            { kind: 'person', action: 'pause' },
            { kind: 'failure' },
            { kind: 'steps', count: 2 },
          ],
        ],
        // Somebody changes the routing when the deployment is over.
        [
          { steps: [100], auto_promote: true, auto_rollback: false, rollback_window_seconds: 0 },
          [
            { kind: 'steps', count: 12 },
            { kind: 'stranger', does: 'makes the previous build current' },
            { kind: 'terminated' },
          ],
        ],
      ],
    },
  );
}, 60_000);
