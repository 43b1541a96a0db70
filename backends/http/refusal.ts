import pg from 'pg';
import { ProblemError } from './problem.ts';

/** Of PostgreSQL: a check that fails, JSON or a number that cannot be stored, JSON nested deeper than the server can read. */
const refused = /^(23514|22...|54001)$/;

/**
 * What the database says about a row that it does not take; undefined for any other error.
 *
 * @param sentences in the place of its own words, by constraint
 */
export function refusalOf(error: unknown, sentences: Readonly<Record<string, string>> = {}): ProblemError | undefined {
  if (!(error instanceof pg.DatabaseError) || !refused.test(error.code ?? '')) return undefined;
  const { code, message, hint, constraint = '' } = error;
  // The detail of a failed check is the whole row.
  const detail = code === '23514' ? undefined : error.detail;
  const text = sentences[constraint] ?? [message, detail, hint].filter(Boolean).map(toSentence).join(' ');
  return new ProblemError(422, 'row_refused', text, { cause: error });
}

function toSentence(text: string | undefined): string {
  return text?.replace(/[^.]$/, '$&.') ?? '';
}
