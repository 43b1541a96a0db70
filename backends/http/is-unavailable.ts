/** Codes of PostgreSQL for a server that starts, stops, or has no connection left (class 08, 53 and 57P). */
const serverAway = /^(08...|53...|57P0[1-5])$/;
const socketErrors = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENOTFOUND']);
/** What `pg` says without a code. */
const clientWords = /Connection terminated|timeout exceeded when trying to connect|Query read timeout/;

/** Whether it is the fault of a server behind this one, which may answer later. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isUnavailable);
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && (serverAway.test(code) || socketErrors.has(code))) return true;
  return clientWords.test(error.message) || isUnavailable(error.cause);
}
