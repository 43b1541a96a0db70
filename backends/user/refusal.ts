import pg from 'pg';
import { ProblemError } from '../http/problem.ts';

/** Of PostgreSQL: a check that fails, JSON or a number that cannot be stored, JSON nested deeper than the server can read. */
const refused = /^(23514|22...|54001)$/;

const sentences: Readonly<Record<string, string>> = {
  instances_config_at_most_4_mib: 'config is larger than 4 MiB, as PostgreSQL writes it.',
};

/** What the database says about a row that it does not take; undefined for any other error. */
export function refusalOf(error: unknown): ProblemError | undefined {
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
