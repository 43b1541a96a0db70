import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openEventLog } from '../../support/event-log.ts';

let log: Awaited<ReturnType<typeof openEventLog>>;
beforeAll(async () => {
  log = await openEventLog();
});
afterAll(() => log.close());

const insertInstance = async ({ config = '{}', metadata = '{}' } = {}) => {
  const id = randomUUID();
  await log.query('insert into instances (id, agent_id, user_id, config, metadata) values ($1, $1, $1, $2, $3)', [
    id,
    config,
    metadata,
  ]);
  return id;
};
const update = (id: string, assignment: string, ...values: unknown[]) =>
  log.query(`update instances set ${assignment} where id = $1`, [id, ...values]);
const nested = (levels: number): string => '{"a":'.repeat(levels) + '{}' + '}'.repeat(levels);
const padded = (bytes: number): string => JSON.stringify({ pad: 'x'.repeat(bytes - '{"pad": ""}'.length) });

describe('JSON arrives as it was written', () => {
  test.each<[what: string, json: string]>([
    ['emoji, combining marks and other planes', '{"👩‍👩‍👧": "e\u0301 \u{1F1E9}\u{1F1EA} 𝒳 \u{10FFFF}"}'],
    ['right to left, with its marks', '{"\u202Eשלום": "مرحبا\u200F"}'],
    ['separators that are ends of lines in JavaScript', '{"a": "\u2028\u2029\u0085"}'],
    ['controls, quotes and backslashes', String.raw`{"a": "\u0001\t\n\"\\\/\u007f\ufeff"}`],
    ['names that mean something in JavaScript', '{"__proto__": {"a": 1}, "constructor": 1, "toJSON": 1, "": 1}'],
    ['empty parts', '{"a": {}, "b": [], "c": "", "d": null, "e": [[]], "f": false}'],
    ['100 levels', nested(100)],
    ['2^53 and its neighbours', '{"a": [9007199254740991, 9007199254740992, -9007199254740992, 9007199254740994]}'],
    ['the largest and the smallest', '{"a": [1e308, -1.7976931348623157e308, 5e-324, 2.2250738585072014e-308]}'],
    ['round numbers', '{"a": [1e21, 1e22, 1e23, 1e300, 123456789012345e60, 0.1, 1.10]}'],
    ['all digits of a double', '{"a": [0.30000000000000004, 1.2345678901234567e300, 1180591620717411300000]}'],
    ['long numbers in texts', '{"123456789012345678901234567890": "9007199254740993"}'],
  ])('%s', async (_, json) => {
    await insertInstance({ config: json, metadata: json });
    const id = await insertInstance();
    await update(id, 'metadata = $2', json);
    const [created, , updated] = await log.expectDocumented();
    expect(created?.body).toMatchObject({ config: JSON.parse(json) as object });
    expect(updated?.body).toMatchObject({ metadata: JSON.parse(json) as object });
  });

  // PostgreSQL accepts neither NUL nor half a surrogate pair.
  const text = fc.string({ unit: 'binary' }).map((any) => any.replaceAll('\0', '0'));
  const leaf = fc.oneof(
    text,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.maxSafeInteger().map((number) => number * 1000),
    fc.boolean(),
    fc.constant(null),
  );
  const { json } = fc.letrec<{ json: unknown }>((tie) => ({
    json: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('json')), fc.dictionary(text, tie('json'))),
  }));

  test('whatever a program of doubles writes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.dictionary(text, json), { minLength: 1, maxLength: 50 }), async (configs) => {
        const written = configs.map((config) => JSON.stringify(config));
        await log.query(
          'insert into instances (agent_id, user_id, config) select gen_random_uuid(), gen_random_uuid(), config from unnest($1::jsonb[]) config',
          [written],
        );
        const created = (await log.expectDocumented()).map(({ body }) => (body as { config: unknown }).config);
        expect(created).toEqual(written.map((config) => JSON.parse(config) as unknown));
      }),
      { numRuns: 20 },
    );
  });

  // The last one, because each reading of the log reads all that was written before, too.
  test('4 MiB of config and 64 KiB of metadata', async () => {
    const [config, metadata] = [padded(4 * 1024 * 1024), padded(64 * 1024)];
    const id = await insertInstance({ config, metadata });
    await update(id, `status = 'running'`);
    await log.query('delete from instances where id = $1', [id]);
    const [created, updated] = await log.expectDocumented();
    expect(created?.body).toMatchObject({ config: JSON.parse(config) as object });
    expect(updated?.body).toMatchObject({ metadata: JSON.parse(metadata) as object });
  });
});
