import { isUntrusted } from '../certificates/untrusted-certificate.ts';

/** Codes of PostgreSQL for a lost connection (class 08), or for a server that is stopping or starting. */
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
/** Messages of `pg` and `amqplib` without a code. A channel that the server closes over a refused call is no lost connection. */
const clientWords =
  /Connection (terminated|closed|ended)|closed the connection|Heartbeat timeout|Socket closed|Channel (closed|ended)(?! by server)|timeout expired|timeout exceeded when trying to connect|Query read timeout|Unexpected close|connection error and is not queryable/i;

/** Whether a connection was lost or could not be opened, as opposed to a server that refused a call. */
export function isConnectionLoss(error: unknown): boolean {
  if (isUntrusted(error)) return false;
  if (error instanceof AggregateError && error.errors.some(isConnectionLoss)) return true;
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && (postgresEnds.test(code) || socketErrors.has(code))) return true;
  if (typeof code === 'number' && grpcAway.has(code)) return true;
  return clientWords.test(error.message) || isConnectionLoss(error.cause);
}
