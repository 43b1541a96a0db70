import type { z } from 'zod';
import type { commonSpecFields } from '../contracts/runtime-spec.ts';
import type { HostLease } from './host-lease.ts';

/** The part of a spec that every kind of runtime has. */
export type RuntimeSpec = z.infer<z.ZodObject<typeof commonSpecFields>> & { kind: string };

/** Everything that a runtime needs to run one instance. The provisioning activity reads it from PostgreSQL. */
export interface ProvisionRequest<Spec extends RuntimeSpec = RuntimeSpec> {
  instanceId: string;
  agentId: string;
  /** The generation of the row. An agent of a lower generation is replaced. */
  generation: number;
  /** How to run the agent, from `agents.runtime`. */
  spec: Spec;
  /** The config of the instance, as the row has it. The agent gets what `resolveConfig` makes of it. */
  config: Record<string, unknown>;
  /** The secrets of this host that the config may refer to. Absent where it has none. */
  hostSecrets?: HostSecrets | undefined;
  /** Present when the agent listens for commands, which gets it as INSTANCE_CONTROL_URL and INSTANCE_CONTROL_QUEUE. */
  control?: ControlEndpoint;
  /**
   * The seconds after the end of the host's lease from which on the instance may be placed on another host. The host ends
   * the agent when half of them are over. Absent when the instance waits for its host.
   */
  replaceAfterSeconds?: number | undefined;
}

/** The secrets that a host has for the configs of its agents. They are read anew at each start of an agent. */
export interface HostSecrets {
  /** @returns undefined if the host has no such secret. @throws RuntimeUnavailable if the secrets cannot be read */
  read: (name: string) => Promise<string | undefined>;
}

/** The queue from which an agent reads its commands (docs/event-bus-contracts.md, commands). */
export interface ControlEndpoint {
  /** The URL of RabbitMQ for agents. */
  url: string;
  queue: string;
}

/** An agent that runs for an instance. */
export interface RunningAgent {
  /** Every start of an agent has a new id, so that the exit of an earlier start is recognised. */
  runtimeId: string;
  /** Where the agent runs, for a person, e.g. `process 4711`, or the name of a pod with its namespace and node. */
  where: string;
}

/** The end of an agent that nobody asked to end. */
export interface RuntimeExit {
  instanceId: string;
  runtimeId: string;
  /** `exited`: the worker saw the end. `lost`: the agent ended while no worker watched it, as in a reboot of the host. */
  kind: 'exited' | 'lost';
  /** False only for exit code 0. An unknown exit code counts as failed. */
  failed: boolean;
  /** A sentence for a person, with the exit code or signal and the last lines that the agent printed. */
  message: string;
}

/** The state of the agent of one instance, for a person who looks for the cause of a problem. */
export interface RuntimeDescription {
  /** `ended`: nothing runs. `unknown`: the record of the agent cannot be read. */
  phase: 'starting' | 'running' | 'stopping' | 'ended' | 'unknown';
  /** Where the agent runs or ran, as in `RunningAgent`. Absent when nothing tells. */
  where?: string;
  /** What the engine or the cluster says beyond the phase, as why the agent does not run yet or how it ended. */
  status?: string;
  /** A command for a person that shows more. */
  inspect?: string;
  /** Absent when no start is recorded, as after a start that failed and was undone. */
  runtimeId?: string;
  generation?: number;
  pid?: number;
  /** When the phase began, if known. */
  since?: Date;
  /** The last lines that the agent printed, and when. Absent when the agent printed nothing. */
  output?: { text: string; at: Date };
}

/** An instance for which a runtime keeps files, processes or containers. */
export interface KeptInstance {
  instanceId: string;
  /** The generation of the latest start, if known. */
  generation?: number | undefined;
}

export interface EffectContext {
  /** Aborted when the work is no longer needed. `cleanUp` then undoes what was begun. */
  signal: AbortSignal;
  /** The runtime calls this at least once a second while it works. */
  heartbeat: () => void;
  /**
   * The runtime asks this when an agent of a higher generation than the requested one runs. True means that the row still
   * has the lower generation, so it was restored from a backup after that agent had started.
   */
  isRestored?: ((higherGeneration: number) => Promise<boolean>) | undefined;
  /**
   * The runtime awaits this right before each start of an agent, when nothing runs for the instance, and not before it takes
   * a running agent over. When the promise rejects, the runtime starts nothing and fails with the same error.
   */
  beforeStart?: (() => Promise<void>) | undefined;
  /**
   * The runtime awaits this before it sends SIGTERM to a running agent, and not before a kill alone. It first records that
   * the end is asked for, because the agent may end meanwhile. The promise never rejects, and takes at most as long as the
   * head start of agents.
   */
  beforeStop?: (() => Promise<void>) | undefined;
  /**
   * The runtime asks this synchronously right before each start of an agent and right after it. False means that another
   * host may have got the instance since the caller read where it is placed: the runtime then runs nothing and fails with
   * RuntimeUnavailable. Always true when left out.
   */
  mayStart?: (() => boolean) | undefined;
}

/**
 * Runs agents of one kind. Names derive from the instance id, so every call may be repeated, also by another process after
 * a crash: `provision` finds what an earlier call began, and `cleanUp` succeeds when there is nothing to remove.
 */
export interface Runtime<Spec extends RuntimeSpec = RuntimeSpec> {
  /**
   * Resolves once the agent is ready. A running agent of the same generation is taken over as it is, and one of a lower
   * generation is stopped first. One of a higher generation is taken over as well, because the request is outdated, unless
   * `isRestored` says that the row was restored; then it is stopped first.
   * @throws SpecRejected, AgentNotReady, RuntimeUnavailable; the reason of the signal when aborted
   */
  provision(request: ProvisionRequest<Spec>, context: EffectContext): Promise<RunningAgent>;
  /** Stops the agent, kills it after its grace period, and removes everything kept for the instance. */
  cleanUp(instanceId: string, context: EffectContext): Promise<void>;
  /**
   * Watches every agent of this runtime, including those that run already. Repeats each report with backoff until it
   * resolves, also across restarts of this process, so that no exit is lost.
   */
  watch(report: (exit: RuntimeExit) => Promise<void>): Promise<void>;
  /** Describes an instance without a change and without `watch`. Undefined when nothing is kept for the instance. */
  describe(instanceId: string): Promise<RuntimeDescription | undefined>;
  /** Lists every instance for which anything is kept. Undefined where this kind of runtime is not configured. */
  list(): Promise<KeptInstance[] | undefined>;
  /** The lease of the host of these agents. Undefined where this kind is not configured, or cannot end agents by itself. */
  lease: HostLease | undefined;
  /**
   * The id of the host where these agents run: a uuid, the same for every worker that works with the same folder or engine. Undefined
   * where this kind of runtime is not configured, or where no worker has made it and the runtime is opened to read. Rejects, to be tried again, while the engine does not answer.
   */
  identify(): Promise<string | undefined>;
  /** The name of that host where it has one that all of its workers agree on. Otherwise they name it after themselves. */
  hostName?: string;
  /** Stops watching. Agents keep running. */
  close(): Promise<void>;
}

/** The agent cannot run as it is published, e.g. because its command does not exist. Another attempt will not help. */
export class SpecRejected extends Error {
  override name = 'SpecRejected';
}

/** The agent did not become ready in time, or ended before it was ready. */
export class AgentNotReady extends Error {
  override name = 'AgentNotReady';
}

/** The host or engine cannot start anything at the moment, e.g. for lack of memory. Another attempt may succeed. */
export class RuntimeUnavailable extends Error {
  override name = 'RuntimeUnavailable';
}
