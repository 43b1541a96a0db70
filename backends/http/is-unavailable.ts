import { CannotWork } from '../../supervision/errors.ts';
import { isUntrusted } from '../../certificates/untrusted-certificate.ts';

/**
 * Codes of PostgreSQL for a server that is starting or stopping, has no connection or time left (classes 08, 53, 57), asks for
 * a repeat (40), or is a standby that is not promoted yet (25006).
 */
const serverAway = /^(08...|25006|40...|53...|57014|57P0[1-5])$/;
const socketErrors = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENOTFOUND']);
/** Messages of `pg` that have no code, and one of a standby whose code has other causes, too. */
const words =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|cannot set transaction read-write mode during recovery/;

/** Whether a server that this one depends on caused the error, so that a later attempt may succeed. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isUnavailable);
  if (!(error instanceof Error)) return false;
  if (error instanceof CannotWork) return true;
  if (isUntrusted(error)) return true;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && (serverAway.test(code) || socketErrors.has(code))) return true;
  return words.test(error.message) || isUnavailable(error.cause);
}
