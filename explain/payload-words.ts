import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import type { InstanceMessage } from '../workflows/messages.ts';

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

/** The outcome that an activity of this project returned, with its host, runtime id and message. */
export function resultInWords(result: Payloads | null | undefined): string {
  const value = readPayload(result?.payloads?.[0]);
  if (typeof value !== 'object' || value === null) return '';
  const { outcome, ...facts } = value as { outcome?: string; hostId?: string; runtimeId?: string; message?: string };
  if (outcome === undefined) return '';
  return [
    `: ${outcome}`,
    ...(facts.hostId === undefined ? [] : [` on host ${facts.hostId}`]),
    ...(facts.runtimeId === undefined ? [] : [` as runtime ${facts.runtimeId}`]),
    ...(facts.message === undefined ? [] : [`: ${facts.message}`]),
  ].join('');
}

export function failureInWords(failure: Failure | null | undefined): string {
  if (!failure) return 'no reason is known';
  if (failure.activityFailureInfo && failure.cause) return failureInWords(failure.cause);
  const type = failure.applicationFailureInfo?.type;
  const message = failure.message || 'no message';
  return type && type !== 'Error' ? `${type}: ${message}` : message;
}
