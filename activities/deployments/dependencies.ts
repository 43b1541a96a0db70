import type { Pool } from 'pg';
import type { CanaryWorkflows } from './run-canary.ts';
import type { GateResult } from '../../workflows/gate/gate-workflow.ts';

export interface OpenRun {
  workflowId: string;
  runId: string;
}

export interface DeploymentActivityDependencies {
  pool: Pool;
  /** What Temporal knows of the deployment of a name, and how it is changed. */
  serverOf: (deploymentName: string) => DeploymentServer;
  /** Interval at which the row and the routing are looked at. */
  pollMs?: number;
  /** Time after which a long activity ends, so that the next one begins on a process that is there. */
  longestMs?: number;
}

/** Temporal, as far as deployments need it. `bridge/deployments/` implements it. A repeated change changes nothing. */
export interface DeploymentServer {
  /** With what the deployer signs its changes. */
  identity: string;
  readRouting(): Promise<ServerRouting | undefined>;
  /** This and the next three return why the server refuses the change. */
  manage(): Promise<string | undefined>;
  ramp(buildId: string, percentage: number): Promise<string | undefined>;
  unsetRamp(): Promise<string | undefined>;
  setCurrent(buildId: string | null): Promise<string | undefined>;
  /** @returns false while the server still needs the build */
  deleteVersion(buildId: string): Promise<boolean>;
  /** The queues on which a build has no workers although it needs them. */
  findMissing(buildId: string | null): Promise<{ name: string; type: string }[]>;

  listRuns(): AsyncIterable<OpenRun>;
  listRunsLastOn(buildId: string): AsyncIterable<OpenRun>;
  probeRuns(options: ProbeOptions): Promise<void>;
  hold(run: OpenRun, buildId: string): Promise<void>;
  release(run: OpenRun): Promise<void>;
  /** Takes a run from the worker that has it in its cache. */
  unstick(run: OpenRun): Promise<void>;
  /** Brings a run to the build that the routing says, which takes the waiting steps of the run at once. */
  nudge(run: OpenRun): Promise<void>;
  /** @returns false if there is nothing to reset */
  reset(run: OpenRun, options: { buildId: string | null; reason: string; requestId: string }): Promise<boolean>;
  /** The activities of a run that have not ended. */
  readSteps(run: { workflowId: string }): Promise<PendingStep[]>;
  /** Asks for another try of a failed instance. A repeated request id changes nothing. */
  retryInstance(instanceId: string, requestId: string): Promise<unknown>;
  canaries: CanaryWorkflows;
  /** Runs the gate on the workers of a build. @returns undefined if it did not end in time, or was aborted */
  runGate(options: GateOptions): Promise<GateResult | undefined>;
}

export interface ServerRouting {
  currentBuildId: string | null;
  rampingBuildId: string | null;
  percentage: number;
  manager: string;
  lastModifier: string;
  builds: { buildId: string; isDrained: boolean }[];
}

export interface ProbeOptions {
  runs: Iterable<OpenRun>;
  perSecond: number;
  signal: AbortSignal;
  onResult: (run: OpenRun, result: ProbeResult) => void;
}

/** `underWay`: in the middle of a step, and not asked. `silent`: neither an answer nor a failure. `by`: whether a workflow task of the run failed, or the probe itself. */
export type ProbeResult =
  | { outcome: 'answered' | 'gone' | 'underWay' | 'silent' }
  | { outcome: 'failed'; by: 'task' | 'probe'; message: string };

export interface PendingStep {
  id: string;
  name: string;
  isRunning: boolean;
  buildId?: string;
  failures: number;
  failure?: string;
}

export interface GateOptions {
  deploymentId: string;
  /** Counts the gates of the deployment. The same one is not started twice at a time. */
  batch: number;
  buildId: string;
  runs: OpenRun[];
  checksCandidate: boolean;
  limitSeconds: number;
  signal: AbortSignal;
}
