import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import type { InstanceMessage } from '../workflows/messages.ts';
import type { InstanceEvent } from '../workflows/state.ts';

interface Payloads {
  payloads?: Payload[] | null;
}

/** A failure in a history. Its innermost cause says what went wrong. */
export interface Failure {
  message?: string | null;
  cause?: Failure | null;
  activityFailureInfo?: unknown;
  applicationFailureInfo?: { type?: string | null } | null;
}

/** Undefined for a payload that another converter or a codec wrote. */
export function readPayload(payload: Payload | null | undefined): unknown {
  if (!payload) return undefined;
  try {
    return defaultPayloadConverter.fromPayload(payload);
  } catch {
    return undefined;
  }
}

export function messageInWords(signalName: string | null | undefined, input: Payloads | null | undefined): string {
  const message = readPayload(input?.payloads?.[0]) as InstanceMessage | undefined;
  switch (message?.type) {
    case 'rowChanged':
      return `#${message.sequence} of the row, desired state ${message.desiredState}, generation ${message.generation}`;
    case 'rowDeleted':
      return `#${message.sequence}: the row is deleted`;
    case 'runtimeExited':
      return `runtime ${message.runtimeId} ${message.kind === 'lost' ? 'was lost' : 'ended'}: ${message.message}`;
    case 'retryRequested':
      return `try again (request ${message.requestId})`;
    case 'agentPublished':
      return 'its agent is published';
    case 'agentDrained':
      return `its agent ends all instances: ${message.message}`;
    case 'hostLost':
      return `host ${message.hostId} is lost: ${message.message}`;
    case 'hostBack':
      return `host ${message.hostId} is back`;
    case 'hostReplaceable':
      return `host ${message.hostId} has given its instances up`;
    case 'moveRequested':
      return `move away from host ${message.hostId}: ${message.message}`;
    case 'agentFound':
      return `host ${message.hostId} holds an agent of it`;
    // The signal is of another version of the workflow, or a codec wrote it.
    case undefined:
    default:
      return `signal ${signalName ?? ''} with unknown content`;
  }
}

/** What happened in an activity of this project, step by step. */
export function resultInWords(result: Payloads | null | undefined): string {
  const words = stepsOf(result).flatMap((event) => eventInWords(event) ?? []);
  return words.length > 0 ? `: ${words.join(', then ')}` : '';
}

/** The agents that an activity started or took over, in words. */
export function startsIn(result: Payloads | null | undefined): string[] {
  return stepsOf(result).flatMap((event) => (event.type === 'provisioned' ? (event.where ?? []) : []));
}

function stepsOf(result: Payloads | null | undefined): InstanceEvent[] {
  const value = readPayload(result?.payloads?.[0]);
  return Array.isArray(value) ? (value as InstanceEvent[]) : [];
}

function eventInWords(event: InstanceEvent): string | undefined {
  switch (event.type) {
    case 'placed':
      return `placed on host ${event.hostId}`;
    case 'located':
      if (event.outcome === 'none') return 'found to be placed nowhere';
      return event.outcome === 'on' ? `found on host ${event.hostId}` : `found on a lost host: ${event.message}`;
    case 'noHost':
      return `no host found: ${event.message}`;
    case 'agentMissing':
      return event.message;
    case 'notWanted':
      return 'not started, because it is to stop';
    case 'provisioned':
      return `provisioned as runtime ${event.runtimeId}${event.where === undefined ? '' : ` (${event.where})`} on host ${event.hostId}`;
    case 'rowRead':
      return event.row ? `row read, desired state ${event.row.desiredState}` : 'no row found';
    case 'rowGone':
      return 'no row found';
    case 'statusRecorded':
      return `${event.status} recorded`;
    case 'statusSuperseded':
      return 'another status found in the row';
    case 'finalStatusRecorded':
      return event.row ? 'another row of its id found' : 'final status recorded';
    case 'cleanedUp':
      return `cleaned up on host ${event.hostId}`;
    default:
      return undefined;
  }
}

export function failureInWords(failure: Failure | null | undefined): string {
  if (!failure) return 'no reason is known';
  if (failure.activityFailureInfo && failure.cause) return failureInWords(failure.cause);
  const type = failure.applicationFailureInfo?.type;
  const message = failure.message || 'no message';
  return type && type !== 'Error' ? `${type}: ${message}` : message;
}
