import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { CandidateProblem, GateActivities, GateRun, ReplayReport } from './activities.ts';

export interface GateWorkflowInput {
  /** The build that is to be proved. */
  buildId: string;
  /** At most 200. More go into further gates, so that inputs, answers and retries stay small. */
  runs: GateRun[];
  /** Whether the contracts and the migrations are compared as well, which the first gate of a deployment does. */
  checksCandidate: boolean;
}

export interface GateResult extends ReplayReport {
  problems: CandidateProblem[];
}

const { checkCandidate, replayRuns } = proxyActivities<GateActivities>({
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '30 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '30 seconds' },
});

/**
 * Proves a build on histories before any instance is given to it. The deployer pins this workflow to the build, so that its activities are
 * carried out by the workers of that build. The deployer limits the time of the workflow as well, because no other worker takes its tasks.
 */
export async function gateWorkflow({ buildId, runs, checksCandidate }: GateWorkflowInput): Promise<GateResult> {
  setCurrentDetails(`Replays ${runs.length} runs.`);
  const problems = checksCandidate ? await checkCandidate({ buildId }) : [];
  const report = await replayRuns({ buildId, runs });
  return { ...report, problems };
}
