import { cancellationSignal } from '@temporalio/activity';
import { setTimeout as delay } from 'node:timers/promises';
import { decide, type DeploymentEffect } from '../../workflows/deployments/decide.ts';
import type { DeploymentMemory } from '../../workflows/deployments/facts.ts';
import type { DeploymentActivityDependencies } from './dependencies.ts';
import { readFacts, type Reading } from './read-facts.ts';

export const defaults = { pollMs: 1_000, longestMs: 10 * 60_000 };

/**
 * Reads the facts and acts, until they lead to another effect, until `act` says that it is done, or until time is over. A deployer that
 * stops ends this at once, and the workflow goes on with another one.
 */
export async function repeat(
  dependencies: DeploymentActivityDependencies,
  step: { deploymentName: string; deploymentId: string; memory: DeploymentMemory },
  type: DeploymentEffect['type'],
  act: (reading: Reading) => Promise<'goOn' | 'done'>,
): Promise<Reading | null> {
  const { pollMs = defaults.pollMs, longestMs = defaults.longestMs } = dependencies;
  const signal = cancellationSignal();
  const end = performance.now() + longestMs;
  for (;;) {
    const reading = await readFacts(dependencies, step.deploymentName);
    if (reading?.row.id !== step.deploymentId || decide(reading.facts, step.memory).type !== type) return reading;
    if (signal.aborted || performance.now() >= end || (await act(reading)) === 'done') return reading;
    await delay(pollMs, undefined, { signal }).catch(() => undefined);
  }
}
