import type { RuntimeSpec } from '../contracts/runtime-spec.ts';

/** Everything needed to run one instance, read from PostgreSQL by the provisioning activity. */
export interface ProvisionRequest<Spec extends RuntimeSpec = RuntimeSpec> {
  instanceId: string;
  agentId: string;
  /** Which version of the row's wishes this is; a higher one replaces what runs for a lower one. */
  generation: number;
  /** What the published agent says is to be run. */
  spec: Spec;
  /** The instance's config: handed to the agent as data, never interpreted here. */
  config: Record<string, unknown>;
}

/** What runs for an instance. */
export interface RunningAgent {
  /** New for each start of the agent, so that the exit of an earlier start is told apart from that of this one. */
  runtimeId: string;
}

/** An agent stopped running without having been asked to. */
export interface RuntimeExit {
  instanceId: string;
  runtimeId: string;
  /** `exited`: seen ending. `lost`: found gone after nobody watched it (a reboot, a restart of the worker). */
  kind: 'exited' | 'lost';
  /** A sentence for a person: exit code or signal, and the last lines that the agent printed. */
  message: string;
}

export interface EffectContext {
  /** Aborted when the work is no longer wanted; what was begun is then undone by `cleanUp`. */
  signal: AbortSignal;
  /** To be called at least once a second while working. */
  heartbeat: () => void;
}

/**
 * What instances run on. Names derive from the instance id, so every call may be repeated, also by another process
 * after a crash: `provision` finds what is there, `cleanUp` tolerates that nothing is.
 */
export interface Runtime<Spec extends RuntimeSpec = RuntimeSpec> {
  /**
   * Resolves once the agent is ready. An agent of the same generation that runs already is taken over as it is; one of
   * a lower generation is stopped first.
   * @throws SpecRejected, AgentNotReady, RuntimeUnavailable; the signal's reason when aborted
   */
  provision(request: ProvisionRequest<Spec>, context: EffectContext): Promise<RunningAgent>;
  /** Stops the agent, by force once its grace period is over, and removes everything kept for the instance. */
  cleanUp(instanceId: string, context: EffectContext): Promise<void>;
  /**
   * Watches every agent of this runtime, those found running at the call included. `report` is called again, with
   * backoff, until it resolves, also across restarts of this process: an exit is never forgotten.
   */
  watch(report: (exit: RuntimeExit) => Promise<void>): Promise<void>;
  /** Stops watching. Agents go on running. */
  close(): Promise<void>;
}

/** The agent cannot run as it was published (no such command, a bad folder): trying again will not help. */
export class SpecRejected extends Error {
  override name = 'SpecRejected';
}

/** The agent started but did not become ready in time, or ended before it was. */
export class AgentNotReady extends Error {
  override name = 'AgentNotReady';
}

/** The host or engine cannot start anything at the moment (out of processes, memory or disk). */
export class RuntimeUnavailable extends Error {
  override name = 'RuntimeUnavailable';
}
