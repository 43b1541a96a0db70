import type { MessageProperties } from 'amqplib';

export type Carried = Partial<
  Pick<
    MessageProperties,
    'messageId' | 'type' | 'contentType' | 'contentEncoding' | 'correlationId' | 'timestamp' | 'appId'
  >
> & { headers: Record<string, unknown> };

/** The client encodes at most 64 KiB of headers; the rest is room for the reason of a dead letter. */
const maxHeaderBytes = 48 * 1024;
const maxKeyBytes = 255;
const maxShortTextBytes = 255;
/** No event nests its headers nearly as deep. The client's encoder recurses once per level. */
const maxDepth = 64;

const leftOutHeader = 'dead_letter_left_out';

/**
 * Converts properties and headers to a form that the client can encode: it can parse more than it can encode. Numbers beyond the
 * safe integers become doubles, values without an encoding become JSON text, and whatever does not fit is left out and
 * named in `dead_letter_left_out`.
 */
export function toSendable({ headers, ...properties }: Carried): Carried {
  const leftOut: string[] = [];
  let left = maxHeaderBytes;
  const fits = ([key, value]: [string, unknown]): boolean => {
    const size = Buffer.byteLength(key) > maxKeyBytes ? Infinity : 1 + Buffer.byteLength(key) + sizeOf(value);
    if (size > left) {
      leftOut.push(key);
      return false;
    }
    left -= size;
    return true;
  };
  const known = Object.entries(headers).filter(([key, value]) => key !== leftOutHeader && value !== undefined);
  const kept = known.map(([key, value]): [string, unknown] => [key, toField(value)]).filter(fits);
  const given = Object.entries(properties).filter(([name, value]) => {
    if (value === undefined) return false;
    const isSendable = typeof value === 'string' ? Buffer.byteLength(value) <= maxShortTextBytes : isTimestamp(value);
    if (!isSendable) leftOut.push(`property ${name}`);
    return isSendable;
  });
  const note = leftOut.length > 0 ? { [leftOutHeader]: leftOut.join(', ').slice(0, 500) } : {};
  return { ...Object.fromEntries(given), headers: { ...Object.fromEntries(kept), ...note } };
}

/** Converts a header value, as the client parsed it, to one that it can encode. */
function toField(value: unknown, depth = 0): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Buffer.isBuffer(value)) return value;
  if (typeof value === 'number') return toNumber(value);
  if (depth >= maxDepth) return '(nested too deep)';
  if (Array.isArray(value)) return value.map((each) => toField(each, depth + 1));
  if (typeof value !== 'object') return toText(value);
  if (Object.hasOwn(value, '!')) return toTypedField(value);
  const fields = Object.entries(value).map(([key, each]): [string, unknown] => [key, toField(each, depth + 1)]);
  if (fields.some(([key]) => Buffer.byteLength(key) > maxKeyBytes)) return toText(value);
  return Object.fromEntries(fields);
}

/** RabbitMQ closes the connection when a number that is not finite is published. */
function toNumber(value: number): unknown {
  if (!Number.isFinite(value)) return String(value);
  return Number.isSafeInteger(value) ? value : { '!': 'double', value };
}

/** A value with the field `!`, by which amqplib marks a type; a table of another client may have such a field, too. */
function toTypedField(value: object): unknown {
  const { '!': type, value: inner, ...others } = value as { '!': unknown; value?: unknown };
  const isPlain = Object.keys(others).length === 0;
  if (isPlain && type === 'timestamp' && isTimestamp(inner)) return value;
  if (isPlain && type === 'double' && typeof inner === 'number') return toNumber(inner);
  if (isPlain && type === 'decimal' && isDecimal(inner)) return value;
  return toText(value);
}

function isTimestamp(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 64;
}

function isDecimal(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { places, digits } = value as { places?: unknown; digits?: unknown };
  const isWithin = (number: unknown, end: number): boolean =>
    typeof number === 'number' && Number.isInteger(number) && number >= 0 && number < end;
  return isWithin(places, 256) && isWithin(digits, 2 ** 32);
}

function toText(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return '(cannot be written as text)';
  }
}

/** Upper bound of the encoded size of a value of `toField`, in bytes. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return 5 + Buffer.byteLength(value);
  if (Buffer.isBuffer(value)) return 5 + value.length;
  if (typeof value !== 'object' || value === null) return 9;
  if (Array.isArray(value)) return value.reduce<number>((sum, each) => sum + sizeOf(each), 5);
  if (Object.hasOwn(value, '!')) return 9;
  return Object.entries(value).reduce((sum, [key, each]) => sum + 1 + Buffer.byteLength(key) + sizeOf(each), 5);
}
