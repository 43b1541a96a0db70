import pg from 'pg';
import { ProblemError } from './problem.ts';

/** Data that PostgreSQL does not take, and constraints that it holds (class 22 and 23 of its error codes). */
const refusalClasses = /^2[23]/;

/** What the database refuses to store as a problem, in the database's words; any other error as it is. */
export function explainRefusal(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError) || !refusalClasses.test(error.code ?? '')) return error;
  const { message, hint, constraint } = error;
  const detail = [`The database refuses it: ${message}.`, hint].filter(Boolean).join(' ');
  return new ProblemError(422, constraint ?? 'refused', detail, { cause: error });
}
