import { NamespaceNotFoundError } from '@temporalio/common';
import { isGrpcServiceError } from '@temporalio/client';
import { errorMessage } from '../../supervision/errors.ts';

/** Codes of gRPC: https://grpc.io/docs/guides/status-codes/ */
export const grpcCodes = {
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  unimplemented: 12,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/**
 * - `message`: Temporal refuses the content of the call, and will refuse it each time.
 * - `setUp`: Temporal refuses all calls of this kind until a person has changed its setup or a setting.
 * - `run`: the current run of the workflow takes no more signals, but the next run will.
 * - `away`: any other error; it passes by itself.
 */
export type RefusalKind = 'message' | 'setUp' | 'run' | 'away';

/**
 * Classifies an error of Temporal's client. The calls of this project stay within Temporal's default limits and name only
 * registered search attributes, so an error about either is a matter of Temporal's setup.
 */
export function kindOfRefusal(error: unknown): RefusalKind {
  if (error instanceof NamespaceNotFoundError) return 'setUp';
  const grpc = grpcErrorOf(error);
  switch (grpc?.code) {
    case grpcCodes.permissionDenied:
    case grpcCodes.unauthenticated:
    case grpcCodes.unimplemented:
      return 'setUp';
    case grpcCodes.failedPrecondition:
    case grpcCodes.notFound:
      return /namespace/i.test(grpc.details) ? 'setUp' : 'away';
    case grpcCodes.invalidArgument:
      if (/signal.*limit|limit.*signal/i.test(grpc.details)) return 'run';
      return /search attribute|limit|namespace|task ?queue/i.test(grpc.details) ? 'setUp' : 'message';
    case grpcCodes.resourceExhausted:
      return /workflow is (closing|busy)/i.test(grpc.details) ? 'run' : 'away';
    default:
      return 'away';
  }
}

/** Temporal's error, and what a person can do about it. */
export function explainTemporalRefusal(error: unknown, namespace: string): string {
  return `${describeTemporalError(error)}. ${wayOutOf(error, namespace)}`;
}

export function describeTemporalError(error: unknown): string {
  return (grpcErrorOf(error)?.details || errorMessage(error)).replace(/\.$/, '');
}

/** The gRPC error, which the client may have wrapped. */
export function grpcErrorOf(error: unknown) {
  const { cause } = error as { cause?: unknown };
  if (isGrpcServiceError(error)) return error;
  return isGrpcServiceError(cause) ? cause : undefined;
}

function wayOutOf(error: unknown, namespace: string): string {
  const said = describeTemporalError(error);
  const code = grpcErrorOf(error)?.code;
  if (code === grpcCodes.permissionDenied || code === grpcCodes.unauthenticated) {
    return `Give the login of agents_worker the right to read, start and signal workflows in the namespace ${namespace}.`;
  }
  if (error instanceof NamespaceNotFoundError || code === grpcCodes.notFound) {
    return `Create the namespace ${namespace}, or correct TEMPORAL_NAMESPACE.`;
  }
  if (code === grpcCodes.failedPrecondition && /invalid state/i.test(said)) return moveAdvice(namespace);
  if (/search attribute/i.test(said)) {
    return (
      'agents_worker registers what is missing every few seconds; `temporal operator search-attribute list --namespace ' +
      `${namespace}\` shows what is there.`
    );
  }
  if (code === grpcCodes.resourceExhausted || /limit/i.test(said)) {
    return `Raise that limit of Temporal for the namespace ${namespace}.`;
  }
  if (code === grpcCodes.unimplemented) return 'Correct TEMPORAL_ADDRESS, or bring Temporal up to date.';
  return 'Start Temporal, or correct TEMPORAL_ADDRESS.';
}

/** Advice for a namespace that was deleted or handed over: it never accepts new workflows again. */
export function moveAdvice(namespace: string): string {
  return (
    `Temporal starts no workflow in the namespace ${namespace} any more, and cannot be told to: stop every agents_worker, run ` +
    '`delete from engine` as the owner of the database, and start again with TEMPORAL_NAMESPACE set to another namespace.'
  );
}
