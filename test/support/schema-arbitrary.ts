import fc from 'fast-check';

/** What docs/schemas use of JSON Schema. */
interface Schema {
  const?: unknown;
  enum?: unknown[];
  type?: string | string[];
  format?: string;
  pattern?: string;
  minLength?: number;
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  maxItems?: number;
  anyOf?: Schema[];
}

/** Anything that fits the schema, the edges of its kinds of values among it; objects leave out what is optional now and then. */
export function arbitraryOf(schema: Schema): fc.Arbitrary<unknown> {
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(arbitraryOf));
  const { type } = schema;
  if (Array.isArray(type)) return fc.oneof(...type.map((each) => arbitraryOf({ ...schema, type: each })));
  switch (type) {
    case 'string':
      return textOf(schema);
    case 'number':
      return fc
        .double({ min: schema.minimum ?? -1e9, max: schema.maximum ?? 1e9, noNaN: true })
        .map((found) => found + 0);
    case 'integer':
      return wholeNumberOf(schema);
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(arbitraryOf(schema.items ?? {}), { maxLength: schema.maxItems ?? 10 });
    case 'object':
      return schema.properties ? recordOf(schema.properties, schema.required) : fc.dictionary(text, anyJson);
    default:
      throw new Error(`no data is made for this kind of schema yet, add it here: ${JSON.stringify(schema)}`);
  }
}

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '\0', '\u2028\u2029', '\uFEFF', 'e\u0301', '\u202Eשלום', '👩‍👩‍👧', '\u{10FFFF}', '__proto__', 'null'),
);
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, 2 ** 53, -(2 ** 53), 1e23),
);
const { anyJson } = fc.letrec<{ anyJson: unknown }>((tie) => ({
  anyJson: fc.oneof(
    { depthSize: 'small' },
    fc.oneof(text, number, fc.boolean(), fc.constant(null)),
    fc.array(tie('anyJson')),
    fc.dictionary(text, tie('anyJson')),
  ),
}));

const ids = ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'ABCDEF01-2345-6789-ABCD-EF0123456789']; // prettier-ignore
const times = ['0001-01-01T00:00:00Z', '1969-12-31T23:59:59.999Z', '2024-02-29T12:00:00.5Z', '9999-12-31T23:59:59.999999999Z']; // prettier-ignore

function textOf({ format, pattern, minLength = 0 }: Schema): fc.Arbitrary<string> {
  if (format === 'uuid') return fc.oneof(fc.uuid(), fc.constantFrom(...ids));
  if (format === 'date-time') {
    const [min, max] = [new Date('0001-01-01T00:00:00Z'), new Date('9999-12-31T23:59:59Z')];
    const date = fc.date({ min, max, noInvalidDate: true }).map((moment) => moment.toISOString());
    return fc.oneof(date, fc.constantFrom(...times));
  }
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  return minLength > 0 ? text.filter(({ length }) => length >= minLength) : text;
}

function wholeNumberOf({ minimum, exclusiveMinimum, maximum = Number.MAX_SAFE_INTEGER }: Schema): fc.Arbitrary<number> {
  const min = minimum ?? (exclusiveMinimum === undefined ? Number.MIN_SAFE_INTEGER : exclusiveMinimum + 1);
  return fc.oneof(fc.integer({ min, max: maximum }), fc.constantFrom(min, maximum));
}

function recordOf(properties: Record<string, Schema>, required: string[] = []): fc.Arbitrary<unknown> {
  const fields = Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, arbitraryOf(field)]));
  return fc.record(fields, { requiredKeys: required, noNullPrototype: true });
}
