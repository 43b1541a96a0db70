import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { compareSchemas, type JsonSchema } from '../../../tools/contracts/compatibility/compare-schemas.ts';

const jsonSchema = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input', target: 'draft-7' }) as JsonSchema;
const compare = (before: z.ZodType, after: z.ZodType) => compareSchemas(jsonSchema(before), jsonSchema(after));

/** A change of the field `a`. */
type Row = [what: string, before: z.ZodType, after: z.ZodType, path: string, sentence: string];
const text = z.string();
const optional = z.object({ x: text, y: text.optional() });
const agents = z.object({ table: z.literal('agents'), row: z.object({ id: text }) });
const instances = z.object({ table: z.literal('instances'), row: z.object({ id: z.int() }) });
const byTable = z.discriminatedUnion('table', [agents, instances]);
const withDrain = z.object({ table: z.literal('agents'), row: z.object({ id: text, drain: z.boolean().optional() }) });

// prettier-ignore
const compatible: Row[] = [
  ['a new optional field', z.object({ x: text }), optional, 'a.y', '`a.y` is new and optional: older readers ignore it'],
  ['a new optional field with a default', z.object({}), z.object({ y: text.default('none') }), 'a.y', 'is new and optional, with the default "none"'],
  ['one in the items of an array', z.array(z.object({ x: text })), z.array(optional), 'a[].y', '`a[].y` is new and optional'],
  ['one in the values of a record', z.record(text, z.object({ x: text })), z.record(text, optional), 'a.*.y', 'new and optional'],
  ['one in a nullable object', z.object({ x: text }).nullable(), optional.nullable(), 'a.y', 'new and optional'],
  ['one in a branch', byTable, z.discriminatedUnion('table', [instances, withDrain]), 'a(table=agents).row.drain', 'optional'],
  ['one beside null and numbers', z.union([z.object({}), z.int(), z.null()]), z.union([z.object({ y: text.optional() }), z.int(), z.null()]), 'a(object).y', 'optional'],
  ['a description', text.describe('old'), text.describe('new'), 'a', 'description was "old" and is "new" now'],
  ['a title', text, text.meta({ title: 'A' }), 'a', 'title was not set and is "A" now'],
  ['examples', text.meta({ examples: ['x'] }), text, 'a', 'examples was ["x"] and is not set now'],
];

// prettier-ignore
const breaking: Row[] = [
  ['a removed optional field', optional, z.object({ x: text }), 'a.y', '`a.y` (optional) is gone: removed. Older readers take it for left out'],
  ['a removed required field', z.object({ x: text }), z.object({}), 'a.x', '(required) is gone: removed. Older readers refuse what is written without it'],
  ['a new required field', z.object({}), z.object({ x: text }), 'a.x', 'is new and required: newer readers refuse what was written before'],
  ['optional, now required', text.optional(), text, 'a', 'was optional and is required now: newer readers refuse'],
  ['required, now optional', text, text.optional(), 'a', 'was required and is optional now: older readers refuse'],
  ['required, now with a default', z.object({ x: text.optional() }), z.object({ x: text.default('') }), 'a.x', 'had the default not set, which is "" now'],
  ['a type', text, z.number(), 'a', 'was string and is number now: readers of the one form may refuse'],
  ['integers, now numbers', z.int(), z.number().max(Number.MAX_SAFE_INTEGER).min(Number.MIN_SAFE_INTEGER), 'a', 'was integer and is number now'],
  ['one more type', text, z.union([text, z.number()]), 'a', 'was string and is number or string now'],
  ['a constant', z.literal(1), z.literal(2), 'a', '`a` was 1 and is 2 now'],
  ['a constant, now any value', z.literal('x'), text, 'a', 'took only "x" and takes any value now: wider'],
  ['any value, now a constant', text, z.literal('x'), 'a', 'took any value and takes only "x" now: narrower'],
  ['one value more', z.enum(['x', 'y']), z.enum(['x', 'y', 'z']), 'a', '`a` takes "z" now: older readers refuse it'],
  ['a second value', z.literal('x'), z.enum(['x', 'y']), 'a', '`a` takes "y" now'],
  ['one value less', z.enum(['x', 'y']), z.enum(['x']), 'a', '`a` no longer takes "y": newer readers refuse'],
  ['a higher maximum', z.number().max(1), z.number().max(2), 'a', 'maximum was 1 and is 2 now: wider, so older readers refuse'],
  ['a lower maximum', z.number().max(2), z.number().max(1), 'a', 'maximum was 2 and is 1 now: narrower, so newer readers refuse'],
  ['a higher minimum', z.number().gt(1), z.number().gt(2), 'a', 'exclusiveMinimum was 1 and is 2 now: narrower'],
  ['a shortest length', text, text.min(1), 'a', 'minLength was not set and is 1 now: narrower'],
  ['no longest length any more', text.max(9), text, 'a', 'maxLength was 9 and is not set now: wider'],
  ['fewer items', z.array(text).max(3), z.array(text).max(2), 'a', 'maxItems was 3 and is 2 now: narrower'],
  ['a multiple', z.number().multipleOf(2), z.number().multipleOf(3), 'a', 'multipleOf was 2 and is 3 now: readers of the one form'],
  ['a pattern', text.regex(/^a/), text.regex(/^b/), 'a', 'pattern was "^a" and is "^b" now: readers of the one form'],
  ['one more pattern', text.regex(/^a/).regex(/b/), text.regex(/^a/).regex(/c/), 'a', 'allOf was [{'],
  ['null taken', text, text.nullable(), 'a', 'could not be null and can be null now: older readers refuse null'],
  ['null taken for an object', z.object({}), z.object({}).nullable(), 'a', 'can be null now'],
  ['null taken besides values', z.enum(['x']), z.enum(['x']).nullable(), 'a', 'can be null now'],
  ['null refused', text.nullable(), text, 'a', 'could be null and cannot be null now: newer readers refuse the null'],
  ['another default', text.default('x'), text.default('y'), 'a', 'had the default "x", which is "y" now: a message that leaves the field out changes its meaning'],
  ['no default any more', text.default('x'), text.optional(), 'a', 'had the default "x", which is not set now'],
  ['a closed object', z.object({}), z.strictObject({}), 'a', 'is closed (additionalProperties was not set and is false now)'],
  ['an opened object', z.strictObject({}), z.object({}), 'a', 'is open (additionalProperties was false and is not set now)'],
  ['an object that keeps what it does not know', z.object({}), z.looseObject({}), 'a', 'takes other fields differently (additionalProperties was not set and is {} now)'],
  ['a field in a closed object', z.strictObject({}), z.strictObject({ y: text.optional() }), 'a.y', 'where no unknown field is taken'],
  ['a field where any may be written', z.looseObject({}), z.looseObject({ y: text.optional() }), 'a.y', 'where additionalProperties already let fields of any name be written'],
  ['items', z.array(text), z.array(z.int()), 'a[]', '`a[]` was string and is integer now'],
  ['an item of a tuple', z.tuple([text, text]), z.tuple([text, z.boolean()]), 'a[1]', 'was string and is boolean now'],
  ['values of a record', z.record(text, text), z.record(text, z.boolean()), 'a.*', 'was string and is boolean now'],
  ['names of a record', z.record(text, text), z.record(text.min(1), text), 'a.(names)', 'minLength was not set and is 1 now'],
  ['a new branch', z.discriminatedUnion('table', [agents]), byTable, 'a(table=instances)', 'is a new branch: older readers refuse it'],
  ['a branch less', byTable, z.discriminatedUnion('table', [agents]), 'a(table=instances)', 'is no longer one of the branches'],
  ['a field of a branch', byTable, z.discriminatedUnion('table', [agents, instances.extend({ row: z.object({ id: text }) })]), 'a(table=instances).row.id', 'was integer and is string now'],
  ['a new field in a branch that nothing tells apart', z.union([z.object({ x: text }), z.object({ y: text })]), z.union([optional, z.object({ y: text })]), 'a', 'no constant tells these branches apart'],
  ['one branch, now several', z.object({}), z.union([z.object({}), text]), 'a', 'was object and is one of several (anyOf) now'],
];

describe('of what a field asks for', () => {
  const field = (schema: z.ZodType) => z.object({ a: schema });

  test.each(compatible)('%s is compatible', (_what, before, after, path, sentence) => {
    const changes = compare(field(before), field(after));
    expect(changes).toEqual([{ path, kind: 'compatible', sentence: expect.stringContaining(sentence) as string }]);
  });

  test.each(breaking)('%s is breaking', (_what, before, after, path, sentence) => {
    const changes = compare(field(before), field(after));
    expect(changes).toEqual([{ path, kind: 'breaking', sentence: expect.stringContaining(sentence) as string }]);
  });
});

test('a removed field is reported with the new field that may be its new name', () => {
  const [gone, added] = compare(
    z.object({ reason: text, id: z.guid() }),
    z.object({ why: text.describe('Why'), id: z.guid() }),
  );
  expect(gone?.sentence).toContain('`reason` (required) is gone and `why` of the same schema is new: renamed?');
  expect(added).toMatchObject({ path: 'why', kind: 'breaking' });
});

test('every difference of a field that became another kind of text is reported', () => {
  const changes = compare(z.object({ id: z.guid() }), z.object({ id: z.iso.datetime() }));
  expect(changes.map(({ kind }) => kind)).toEqual(['breaking', 'breaking']);
  expect(changes[0]?.sentence).toContain('format was "uuid" and is "date-time" now');
});

test('a field that became an object where any field could be written is breaking', () => {
  const changes = compare(
    z.object({ metadata: z.record(text, z.unknown()) }),
    z.object({ metadata: optional.partial() }),
  );
  expect(changes.map(({ kind }) => kind)).toContain('breaking');
});

test('a change of an unknown keyword counts as breaking', () => {
  const before = { type: 'object', if: { required: ['a'] } };
  expect(compareSchemas(before, structuredClone(before))).toEqual([]);
  expect(compareSchemas(before, { type: 'object', if: { required: ['b'] } })).toEqual([
    {
      path: '',
      kind: 'breaking',
      sentence:
        'The whole if was {"required":["a"]} and is {"required":["b"]} now: this keyword cannot be judged, so it counts as breaking.',
    },
  ]);
});

test('a required field that is no longer described is what other fields are', () => {
  const named = (others: unknown) => ({
    type: 'object',
    properties: { a: {} },
    required: ['a'],
    additionalProperties: others,
  });
  const unnamed = (others: unknown) => ({ type: 'object', required: ['a'], additionalProperties: others });
  for (const others of [false, { type: 'string' }]) {
    expect(compareSchemas(named(others), unnamed(others))).toMatchObject([{ path: 'a', kind: 'breaking' }]);
    expect(compareSchemas(unnamed(others), named(others))).toMatchObject([{ path: 'a', kind: 'breaking' }]);
  }
  for (const others of [true, {}]) expect(compareSchemas(named(others), unnamed(others))).toEqual([]);
});

test('order, references and the ways to write null make no difference', () => {
  const id = { type: 'string', format: 'uuid' };
  const before = { type: 'object', properties: { a: id, b: { type: ['string', 'null'] } }, required: ['a', 'b'] };
  const after = {
    definitions: { id },
    required: ['b', 'a'],
    properties: { b: { anyOf: [{ type: 'null' }, { type: 'string' }] }, a: { allOf: [{ $ref: '#/definitions/id' }] } },
    type: 'object',
  };
  expect(compareSchemas(before, after)).toEqual([]);
});

test('references are followed, also in a schema that refers to itself', () => {
  const tree = (value: z.ZodType) => {
    const node = z.object({
      value,
      get children(): z.ZodArray<z.ZodType> {
        return z.array(node);
      },
    });
    return node;
  };
  expect(compare(tree(text), tree(text))).toEqual([]);
  expect(compare(tree(text), tree(z.int()))).toMatchObject([{ path: 'value', kind: 'breaking' }]);
  const referring = (name: string) => ({ not: { $ref: '#/definitions/x' }, definitions: { x: { required: [name] } } });
  expect(compareSchemas(referring('a'), referring('b'))).toMatchObject([{ path: '', kind: 'breaking' }]);
});

test('a field may be named like a property that every object has', () => {
  const before = z.object({ x: text });
  const after = z.object({ x: text, constructor: text.optional(), toString: text.optional() });
  expect(compare(before, after)).toMatchObject([
    { path: 'constructor', kind: 'compatible' },
    { path: 'toString', kind: 'compatible' },
  ]);
});
