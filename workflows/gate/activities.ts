/** One run of a workflow. */
export interface GateRun {
  workflowId: string;
  runId: string;
}

export interface ReplayFailure extends GateRun {
  /** The difference between the history and the code, in the words of Temporal's SDK. */
  message: string;
}

/**
 * What an instance at rest would do at its next workflow task with the code of the build.
 * - `start`, `restart`: it starts an agent; no agent runs now, or the one that runs is replaced
 * - `stop`: it stops its agent and removes what was made for it
 * - `record`: it writes another status into its row
 * - `end`: it ends its workflow
 */
export type ForeseenEffect = 'start' | 'restart' | 'stop' | 'record' | 'end';

/** One instance of the blast radius. */
export interface ForeseenChange extends GateRun {
  instanceId: string;
  effect: ForeseenEffect;
  /** A sentence for people. */
  message: string;
}

/** What the build made of histories. */
export interface ReplayReport {
  replayed: number;
  /** Runs without a completed workflow task, which hold nothing to replay. */
  notBegun: number;
  /** Runs that were deleted meanwhile. */
  vanished: number;
  /** Instances at rest, whose next step was foreseen. */
  examined: number;
  /** Instances that are in the middle of a step, which the replay compares; nothing is foreseen for them. */
  underWay: number;
  failures: ReplayFailure[];
  changes: ForeseenChange[];
}

/** Something that keeps the build from working with the servers as they are. */
export interface CandidateProblem {
  code:
    /** The database lacks migrations of the build. */
    | 'migrations_missing'
    /** A part of the worker is not at work, e.g. because a queue that the build consumes does not exist. */
    | 'not_ready';
  /** A sentence that says what to do. */
  message: string;
}

/**
 * The activities of the gate, which the workers of the build `buildId` carry out; others refuse them, and Temporal tries again.
 * `activities/gate/` implements them.
 */
export interface GateActivities {
  /** Fetches the histories, replays them with the code of the build, and foresees the next step of each instance. */
  replayRuns(input: { buildId: string; runs: readonly GateRun[] }): Promise<ReplayReport>;
  /** Compares the database with the migrations of the build, and asks each part of the worker whether it finds what it needs. */
  checkCandidate(input: { buildId: string }): Promise<CandidateProblem[]>;
}
