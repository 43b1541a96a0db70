import pg from 'pg';
import { ProblemError } from './problem.ts';

/** Codes of PostgreSQL for a failed check, for JSON or numbers that it cannot store, and for JSON that is nested too deep. */
const refused = /^(23514|22...|54001)$/;

/** Problems by the names of constraints. Without a detail, it is what the database says. */
export type Explained = Readonly<Record<string, readonly [status: number, code: string, detail?: string]>>;

/** @returns a problem with the reason why the database refuses a row; undefined for any other error */
export function refusalOf(error: unknown, explained: Explained = {}): ProblemError | undefined {
  if (!(error instanceof pg.DatabaseError)) return undefined;
  const { code = '', message, hint, constraint = '' } = error;
  const known = explained[constraint];
  if (!known && !refused.test(code)) return undefined;
  // The detail of a failed check quotes the whole row.
  const detail = code === '23514' ? undefined : error.detail;
  const text = [message, detail, hint].filter(Boolean).map(toSentence).join(' ');
  const [status, problemCode, words = text] = known ?? [422, 'row_refused'];
  return new ProblemError(status, problemCode, words, { cause: error });
}

function toSentence(text: string | undefined): string {
  return text?.replace(/[^.]$/, '$&.') ?? '';
}
