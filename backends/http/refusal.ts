import pg from 'pg';
import { ProblemError } from './problem.ts';

/** Codes of PostgreSQL for a failed check, for JSON or numbers that it cannot store, and for JSON that is nested too deep. */
const refused = /^(23514|22...|54001)$/;

/** Problems by the names of constraints whose violation needs other words than those of the database. */
export type Explained = Readonly<Record<string, readonly [status: number, code: string, detail: string]>>;

/** @returns a problem with the reason why the database refuses a row; undefined for any other error */
export function refusalOf(error: unknown, explained: Explained = {}): ProblemError | undefined {
  if (!(error instanceof pg.DatabaseError)) return undefined;
  const { code = '', message, hint, constraint = '' } = error;
  const known = explained[constraint];
  if (known) return new ProblemError(...known, { cause: error });
  if (!refused.test(code)) return undefined;
  // The detail of a failed check quotes the whole row.
  const detail = code === '23514' ? undefined : error.detail;
  const text = [message, detail, hint].filter(Boolean).map(toSentence).join(' ');
  return new ProblemError(422, 'row_refused', text, { cause: error });
}

function toSentence(text: string | undefined): string {
  return text?.replace(/[^.]$/, '$&.') ?? '';
}
