import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toSendable, type Carried } from '../../bridge/bus/sendable-headers.ts';

/** The client's own encoder of messages and decoder of tables, which it does not export. */
const load = createRequire(import.meta.url);
const pathOf = (file: string): string =>
  fileURLToPath(new URL(`../../node_modules/amqplib/lib/${file}`, import.meta.url));
const { encodeProperties, BasicProperties } = load(pathOf('defs.js')) as {
  encodeProperties: (id: number, channel: number, size: number, fields: object) => Buffer;
  BasicProperties: number;
};
const { encodeTable, decodeFields } = load(pathOf('codec.js')) as {
  encodeTable: (buffer: Buffer, table: object, offset: number) => number;
  decodeFields: (bytes: Buffer) => Record<string, unknown>;
};

const encode = (message: object): Buffer => encodeProperties(BasicProperties, 1, 0, message);
const carried = (headers: Record<string, unknown>): Carried => toSendable({ headers });
function roundTrip(headers: Record<string, unknown>): Record<string, unknown> {
  const buffer = Buffer.alloc(1024 * 64);
  const size = encodeTable(buffer, headers, 0);
  return decodeFields(buffer.subarray(4, size));
}

test.each([
  ['a fraction beyond 2^50', 1_732_566_847_441_123.25],
  ['a double beyond 2^63', 1e300],
  ['an integer beyond 2^53', 2 ** 60],
])('%s arrives as it was', (_, value) => {
  expect(roundTrip(carried({ value, list: [value], table: { value } }).headers)).toEqual({
    value,
    list: [value],
    table: { value },
  });
});

test.each([Number.NaN, Infinity, -Infinity])('%s travels as text, because RabbitMQ refuses it as a number', (value) => {
  const typed = { '!': 'double', value };
  expect(carried({ value, typed, list: [value], table: { value } }).headers).toEqual({
    value: String(value),
    typed: String(value),
    list: [String(value)],
    table: { value: String(value) },
  });
});

test.each<[string, unknown]>([
  ['a timestamp beyond its range', { '!': 'timestamp', value: 2 ** 64 }],
  ['a table with a field named like a mark of the client', { '!': 'no type', value: 1 }],
  ['the same among others', { '!': 'timestamp', value: 1, more: 2 }],
  ['a decimal without digits', { '!': 'decimal', value: { places: 1 } }],
  ['a table with a key that grew as it was read', { ['\uFFFD'.repeat(100)]: 1 }],
  ['an inner key of 256 bytes', { inner: { ['k'.repeat(256)]: 1 } }],
])('%s travels as text', (_, value) => {
  const { headers } = carried({ value });
  expect(() => encode({ headers })).not.toThrow();
  expect(JSON.stringify(headers)).toContain(String.raw`\"`);
});

test('what does not fit is left out and named', () => {
  const { headers, type, messageId } = toSendable({
    type: '\uFFFD'.repeat(200),
    messageId: 'short',
    headers: { kept: 1, ['\uFFFD'.repeat(86)]: 1, long: '\uFFFD'.repeat(20_000) },
  });
  expect([type, messageId, headers['kept']]).toEqual([undefined, 'short', 1]);
  expect(headers['dead_letter_left_out']).toMatch(/\uFFFD, long, property type$/);
  expect(() => encode({ messageId, headers })).not.toThrow();
});

test('whatever the client may have read can be encoded again', () => {
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.string({ unit: 'binary', maxLength: 90 }),
      fc.double(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n }).map(Number),
      fc.constantFrom(null, true, false),
      fc.uint8Array({ maxLength: 90 }).map((bytes) => Buffer.from(bytes)),
      fc.record({
        '!': fc.oneof(fc.string(), fc.constantFrom('timestamp', 'decimal', 'double', 'int8')),
        value: tie('value'),
      }),
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(fc.string({ unit: 'binary', maxLength: 90 }), tie('value'), { maxKeys: 5 }),
    ),
  })).value;
  const headers = fc.dictionary(fc.string({ unit: 'binary', maxLength: 90 }), value, { maxKeys: 20 });
  const text = fc.option(fc.string({ unit: 'binary', maxLength: 90 }), { nil: undefined });
  const timestamp = fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n }).map(Number), { nil: undefined });
  fc.assert(
    fc.property(fc.record({ headers, type: text, appId: text, messageId: text, timestamp }), (message) => {
      expect(() => encode(toSendable(message as Carried))).not.toThrow();
    }),
    { numRuns: 40 },
  );
});
