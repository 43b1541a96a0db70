import { startCandidate, startGate } from '../../support/gates.ts';
import type { Scenarios } from './scenario.ts';

/** The workflow that proves a build on histories. */
export const gates: Scenarios = {
  'gate-passes': {
    play: async ({ rig, insertUntil }) => {
      const id = await insertUntil('running', await rig.publishAgent());
      const build = { deploymentName: rig.environment.TASK_QUEUE, buildId: 'candidate' };
      const candidate = await startCandidate(rig, build);
      try {
        const gate = await startGate(rig, build, [id], { checksCandidate: true });
        const { replayed, problems } = await gate.result();
        if (replayed !== 1 || problems.length > 0) throw new Error(`The gate says ${JSON.stringify(problems)}`);
        return gate;
      } finally {
        await candidate.stop();
      }
    },
  },
};
