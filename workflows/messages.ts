import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { DesiredState } from '../contracts/names.ts';
import type { InstanceState } from './state.ts';

/** What the row asked for at one of its versions. A reading with a lower sequence than one seen before is stale. */
export interface RowReading {
  sequence: number;
  generation: number;
  desiredState: DesiredState;
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

/** `instance.deleted`. */
export interface RowDeleted {
  type: 'rowDeleted';
  sequence: number;
  cause: Cause;
}

/** The runtime saw the agent end, or found it gone, without having been asked to stop it. */
export interface RuntimeExited {
  type: 'runtimeExited';
  runtimeId: string;
  /** `lost`: nobody watched it end, as after a reboot; it is started again. */
  kind: 'exited' | 'lost';
  message: string;
}

/** Everything that can be told to a running instance. May come in any order and any number of times. */
export type InstanceMessage = RowChanged | RowDeleted | RuntimeExited;

export const instanceMessageSignal = defineSignal<[InstanceMessage]>('instanceMessage');

export const instanceStateQuery = defineQuery<InstanceState>('instanceState');
