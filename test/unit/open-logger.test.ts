import pg from 'pg';
import { expect, test } from 'vitest';
import { openLogger } from '../../workers/open-logger.ts';

function logged(error: unknown): Record<string, unknown> {
  const lines: string[] = [];
  const logger = openLogger({ name: 'test', level: 'info' }, { write: (line) => void lines.push(line) });
  logger.warn({ err: error }, 'something failed');
  return (JSON.parse(lines.join('')) as { err: Record<string, unknown> }).err;
}

test('an error of PostgreSQL is logged without its details, which quote rows, and so is one that it caused', () => {
  const refused = Object.assign(new pg.DatabaseError('new row violates check constraint "c"', 1, 'error'), {
    code: '23514',
    detail: 'Failing row contains (hunter22).',
    where: 'JSON data, line 1: hunter22',
  });
  for (const error of [refused, new Error('not written', { cause: refused })]) {
    expect(logged(error)).toEqual({
      type: error.constructor.name,
      message: expect.stringContaining('new row violates check constraint "c"'),
      stack: expect.stringContaining('open-logger.test.ts'),
    });
    expect(JSON.stringify(logged(error))).not.toContain('hunter22');
  }
});

test('several errors in one are all named', () => {
  expect(logged(new AggregateError([new Error('one'), new Error('other')]))).toMatchObject({ message: 'one; other' });
});

test('what is no error is logged as its text', () => {
  expect(logged('just a text')).toEqual({ message: 'just a text' });
});
