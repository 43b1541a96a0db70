import pg from 'pg';
import { ProblemError } from './problem.ts';

/** Codes of PostgreSQL for a failed check, for JSON or numbers that it cannot store, and for JSON that is nested too deep. */
const refused = /^(23514|22...|54001)$/;

/**
 * @param sentences texts that replace the message of the database, by the name of the constraint
 * @returns a problem with the reason why the database refuses a row; undefined for any other error
 */
export function refusalOf(error: unknown, sentences: Readonly<Record<string, string>> = {}): ProblemError | undefined {
  if (!(error instanceof pg.DatabaseError) || !refused.test(error.code ?? '')) return undefined;
  const { code, message, hint, constraint = '' } = error;
  // The detail of a failed check quotes the whole row.
  const detail = code === '23514' ? undefined : error.detail;
  const text = sentences[constraint] ?? [message, detail, hint].filter(Boolean).map(toSentence).join(' ');
  return new ProblemError(422, 'row_refused', text, { cause: error });
}

function toSentence(text: string | undefined): string {
  return text?.replace(/[^.]$/, '$&.') ?? '';
}
