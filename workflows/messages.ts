import { defineSignal } from '@temporalio/workflow';
import type { DesiredState, InstanceStatus, StatusReason } from '../contracts/names.ts';

/** One version of the row. */
export interface RowReading {
  /** Counts the versions of the row. */
  sequence: number;
  /** Counts the changes of the desired state, the agent and the config. */
  generation: number;
  desiredState: DesiredState;
}

/** The row at the moment of a query. */
export interface RowState extends RowReading {
  status: InstanceStatus;
  observedGeneration: number;
  reason?: StatusReason;
}

/** The event that led to an effect. It travels with the effect, so that the events that follow can be traced back to it. */
export interface Cause {
  eventId: string;
  correlationId: string;
  traceparent: string;
}

/** `instance.created` or `instance.updated` without its body, so that config stays out of every history. */
export interface RowChanged extends RowReading {
  type: 'rowChanged';
  cause: Cause;
}

/** `instance.deleted`. The workflow reads the row before it acts on the event, so a false one does no harm. */
export interface RowDeleted {
  type: 'rowDeleted';
  sequence: number;
  cause: Cause;
}

/** The sweeper found that row, workflow and runtime do not agree. The workflow reads the row and looks for its agent. */
export interface CheckRequested {
  type: 'checkRequested';
}

/** The runtime saw the agent end, or found it gone, although nobody had asked it to stop. */
export interface RuntimeExited {
  type: 'runtimeExited';
  runtimeId: string;
  /** `lost`: nobody watched the agent end, as after a reboot of the host. It is started again. */
  kind: 'exited' | 'lost';
  /** False only when the agent is known to have ended with exit code 0. */
  failed: boolean;
  message: string;
}

/** A person asks for another try of a `failed` instance. Repeats of a request id change nothing. */
export interface RetryRequested {
  type: 'retryRequested';
  requestId: string;
}

/** `agent.published`, of the agent that the instance runs. */
export interface AgentPublished {
  type: 'agentPublished';
}

/** `agent.retired`, of an agent whose running instances are to be drained. */
export interface AgentDrained {
  type: 'agentDrained';
  message: string;
  /** The generation to end. */
  generation: number;
}

/**
 * The host of the instance gives no sign of life. This message and the next four only make the workflow read its placement, which
 * alone says where the instance is. They may be late, false, or come twice.
 */
export interface HostLost {
  type: 'hostLost';
  hostId: string;
  message: string;
}

/** A lost host gives signs of life again. */
export interface HostBack {
  type: 'hostBack';
  hostId: string;
}

/** A lost host has ended the agent by itself, or a person has said that the host is gone for good. */
export interface HostReplaceable {
  type: 'hostReplaceable';
  hostId: string;
}

/** The host is drained: the instance is to move to another one. */
export interface MoveRequested {
  type: 'moveRequested';
  hostId: string;
  message: string;
}

/** The host holds an agent of the instance, which is placed elsewhere or nowhere. */
export interface AgentFound {
  type: 'agentFound';
  hostId: string;
}

/** The message to an instance whose agent was retired with a drain. */
export function toAgentDrained(agentId: string, generation: number): AgentDrained {
  const message = `The agent ${agentId} was retired, and its instances are drained.`;
  return { type: 'agentDrained', message, generation };
}

/** Every message that the workflow of an instance takes, in any order and any number of times. */
export type InstanceMessage =
  | RowChanged
  | RowDeleted
  | CheckRequested
  | RuntimeExited
  | RetryRequested
  | AgentPublished
  | AgentDrained
  | HostLost
  | HostBack
  | HostReplaceable
  | MoveRequested
  | AgentFound;

const knownTypes: Readonly<Record<InstanceMessage['type'], true>> = {
  rowChanged: true,
  rowDeleted: true,
  checkRequested: true,
  runtimeExited: true,
  retryRequested: true,
  agentPublished: true,
  agentDrained: true,
  hostLost: true,
  hostBack: true,
  hostReplaceable: true,
  moveRequested: true,
  agentFound: true,
};

/** A later release may send messages that this one does not know. They are ignored while workers of both run. */
export function isKnown({ type }: { type: string }): boolean {
  return Object.hasOwn(knownTypes, type);
}

export const instanceMessageSignal = defineSignal<[InstanceMessage]>('instanceMessage');
