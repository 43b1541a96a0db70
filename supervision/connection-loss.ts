import { isUntrusted } from '../certificates/untrusted-certificate.ts';

/** Codes of PostgreSQL for a connection that was lost (class 08) or ended by a server that stops or starts. */
const postgresEnds = /^(08...|57P0[1-5])$/;
const socketErrors = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** gRPC: DEADLINE_EXCEEDED and UNAVAILABLE. */
const grpcAway = new Set([4, 14]);
/** What `pg` and `amqplib` say without a code. A channel that the server closes for what it was asked is no such loss. */
const clientWords =
  /Connection (terminated|closed|ended)|closed the connection|Heartbeat timeout|Socket closed|Channel (closed|ended)(?! by server)|timeout expired|timeout exceeded when trying to connect|Query read timeout|Unexpected close|connection error and is not queryable/i;

/** Whether a connection was lost or could not be made, as opposed to a server that refused what it was asked. */
export function isConnectionLoss(error: unknown): boolean {
  if (isUntrusted(error)) return false;
  if (error instanceof AggregateError && error.errors.some(isConnectionLoss)) return true;
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && (postgresEnds.test(code) || socketErrors.has(code))) return true;
  if (typeof code === 'number' && grpcAway.has(code)) return true;
  return clientWords.test(error.message) || isConnectionLoss(error.cause);
}
