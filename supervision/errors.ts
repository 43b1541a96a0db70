/** Trying again cannot help: the process ends, and a person has to do what the message says. */
export class FatalError extends Error {
  override name = 'FatalError';
}

/** A session cannot do its work although its connection works. The session is tried again. */
export class CannotWork extends Error {
  override name = 'CannotWork';
}

/**
 * The text of an error in one line, for a log. Node.js reports a connection that was refused at several addresses as an
 * AggregateError without a text.
 */
export function errorMessage(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(errorMessage).join('; ');
  return error instanceof Error ? error.message || error.name : String(error);
}
