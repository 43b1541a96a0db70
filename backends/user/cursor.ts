import { z } from 'zod';
import { ProblemError } from '../http/problem.ts';

/** The last row of a page: the next page begins behind it. */
export interface PagePlace {
  /** With microseconds, as PostgreSQL keeps them. */
  createdAt: string;
  id: string;
}

const place = z.tuple([z.iso.datetime({ precision: 6 }), z.guid()]);

export function toCursor({ createdAt, id }: PagePlace): string {
  return Buffer.from(JSON.stringify([createdAt, id])).toString('base64url');
}

/** @throws ProblemError for one that was not made here */
export function readCursor(cursor: string): PagePlace {
  try {
    const [createdAt, id] = place.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
    return { createdAt, id };
  } catch (cause) {
    throw new ProblemError(400, 'invalid_cursor', 'cursor: is none that next_cursor gave. Begin without one.', {
      cause,
    });
  }
}
