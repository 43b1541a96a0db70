import type { DeploymentReason } from '../../contracts/names.ts';
import type { DeploymentActivities } from '../../workflows/deployments/activities.ts';
import type { DeploymentActivityDependencies } from './dependencies.ts';
import { repeat } from './repeat.ts';
import { watchCandidate } from './watch-candidate.ts';

type ObserveCandidate = DeploymentActivities['observeCandidate'];

/** Watches the candidate until time is over and its instances are settled, or until it does too badly. */
export function createObserveCandidate(dependencies: DeploymentActivityDependencies): ObserveCandidate {
  return async (step) => {
    const began = performance.now();
    const watch = watchCandidate(dependencies.pool);
    let failure: DeploymentReason | undefined;
    let isOver = false;
    try {
      const reading = await repeat(dependencies, step, 'observe', async (now) => {
        failure = await watch.look(now, step.memory.ramps);
        if (failure) return 'done';
        const isTimeOver = performance.now() - began >= step.forSeconds * 1_000;
        isOver = isTimeOver && (await watch.isDecided(now));
        return isOver ? 'done' : 'goOn';
      });
      if (failure && reading) await watch.record(reading);
      return { facts: reading?.facts ?? null, isOver, ...(failure && { failure }) };
    } finally {
      await watch.close();
    }
  };
}
