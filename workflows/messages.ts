import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { DesiredState, InstanceStatus, StatusReason } from '../contracts/names.ts';
import type { InstanceState } from './state.ts';

/** What the row asked for at one of its versions. */
export interface RowReading {
  sequence: number;
  generation: number;
  desiredState: DesiredState;
}

/** All that the workflow compares itself with: the row as it was at the moment of one query. */
export interface RowState extends RowReading {
  status: InstanceStatus;
  observedGeneration: number;
  reason?: StatusReason;
}

/** The event that led to an effect: handed on, so that what the effect causes can be traced back. */
export interface Cause {
  eventId: string;
  correlationId: string;
  traceparent: string;
}

/** `instance.created` or `instance.updated`, without its body: config stays out of every history. */
export interface RowChanged extends RowReading {
  type: 'rowChanged';
  cause: Cause;
}

/** `instance.deleted`. The row is read before anything is done about it, so a false one does no harm. */
export interface RowDeleted {
  type: 'rowDeleted';
  sequence: number;
  cause: Cause;
}

/** The sweeper found that row, workflow and runtime do not agree. The workflow reads the row and looks for its agent. */
export interface CheckRequested {
  type: 'checkRequested';
}

/** The runtime saw the agent end, or found it gone, without having been asked to stop it. */
export interface RuntimeExited {
  type: 'runtimeExited';
  runtimeId: string;
  /** `lost`: nobody watched it end, as after a reboot; it is started again. */
  kind: 'exited' | 'lost';
  /** Whether it ended with anything but exit code 0; what is not known counts as failed. */
  failed: boolean;
  message: string;
}

/** A person asks for another try of an instance that is `failed`. Repeats of a request id change nothing. */
export interface RetryRequested {
  type: 'retryRequested';
  requestId: string;
}

/** `agent.published`, of the agent that the instance runs. */
export interface AgentPublished {
  type: 'agentPublished';
}

/** `agent.retired` that asks for its running instances to be drained. */
export interface AgentDrained {
  type: 'agentDrained';
  message: string;
  /** The generation that ends. */
  generation: number;
}

/** What is told to the instances of an agent whose retirement asks for their end. */
export function toAgentDrained(agentId: string, generation: number): AgentDrained {
  const message = `The agent ${agentId} was retired, and its instances are drained.`;
  return { type: 'agentDrained', message, generation };
}

/** Everything that can be told to a running instance. May come in any order and any number of times. */
export type InstanceMessage =
  RowChanged | RowDeleted | CheckRequested | RuntimeExited | RetryRequested | AgentPublished | AgentDrained;

export const instanceMessageSignal = defineSignal<[InstanceMessage]>('instanceMessage');

export const instanceStateQuery = defineQuery<InstanceState>('instanceState');
