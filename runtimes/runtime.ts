import type { z } from 'zod';
import type { commonSpecFields } from '../contracts/runtime-spec.ts';

/** The part of a spec that every kind of runtime has. */
export type RuntimeSpec = z.infer<z.ZodObject<typeof commonSpecFields>> & { kind: string };

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
  /** There when the agent listens for commands: given to it as INSTANCE_CONTROL_URL and INSTANCE_CONTROL_QUEUE. */
  control?: ControlEndpoint;
}

/** Where an agent gets its commands from (docs/event-bus-contracts.md, commands). */
export interface ControlEndpoint {
  /** Of the message broker, as the agent reaches it. */
  url: string;
  queue: string;
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
  /** Whether it ended with anything but exit code 0; what is not known counts as failed. */
  failed: boolean;
  /** A sentence for a person: exit code or signal, and the last lines that the agent printed. */
  message: string;
}

/** What is known of the agent of one instance, for a person who looks for the cause of something. */
export interface RuntimeDescription {
  /** `ended`: nothing runs. `unknown`: what is kept of it cannot be read. */
  phase: 'starting' | 'running' | 'stopping' | 'ended' | 'unknown';
  /** Absent when nothing is known of a start, as after one that failed and was undone. */
  runtimeId?: string;
  generation?: number;
  pid?: number;
  /** When that phase began, as far as known. */
  since?: Date;
  /** The last lines that the agent printed, and when. Absent when it printed nothing. */
  output?: { text: string; at: Date };
}

/** An instance for which a runtime keeps anything. */
export interface KeptInstance {
  instanceId: string;
  /** Of the agent that was started for it; absent where that is not known. */
  generation?: number | undefined;
}

export interface EffectContext {
  /** Aborted when the work is no longer wanted; what was begun is then undone by `cleanUp`. */
  signal: AbortSignal;
  /** To be called at least once a second while working. */
  heartbeat: () => void;
  /**
   * Asked when an agent of a higher generation than the requested one runs. True: the row asks for the lower generation even
   * now, so it was restored from a backup after that agent had been started.
   */
  isRestored?: ((higherGeneration: number) => Promise<boolean>) | undefined;
  /**
   * To be awaited right before each start of an agent, once nothing runs for the instance; not when a running one is
   * taken over. Where it rejects, nothing is started, and the call fails with that error: it is tried again.
   */
  beforeStart?: (() => Promise<void>) | undefined;
  /**
   * To be awaited before a running agent is sent SIGTERM, once its end is on record as asked for: the agent may end
   * meanwhile. Not before an end by force alone. Takes as long as the agent's head start at most, and never rejects.
   */
  beforeStop?: (() => Promise<void>) | undefined;
}

/**
 * What instances run on. Names derive from the instance id, so every call may be repeated, also by another process
 * after a crash: `provision` finds what is there, `cleanUp` tolerates that nothing is.
 */
export interface Runtime<Spec extends RuntimeSpec = RuntimeSpec> {
  /**
   * Resolves once the agent is ready. An agent of the same generation that runs already is taken over as it is; one of
   * a lower generation is stopped first. One of a higher generation is taken over, too, since the request is out of date
   * then, unless `isRestored` says otherwise: it is stopped first.
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
  /** Changes nothing and needs no watching. Undefined when nothing is kept for the instance. */
  describe(instanceId: string): Promise<RuntimeDescription | undefined>;
  /** Every instance for which anything is kept or runs; undefined where this worker was given no such runtime. */
  list(): Promise<KeptInstance[] | undefined>;
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
