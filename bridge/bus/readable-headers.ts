import type { ChannelModel } from 'amqplib';

/** Header with the names of the headers that were removed because the client cannot read them. */
export const unreadableHeaders = 'unreadable_headers';

/** No event nests its headers nearly as deep. With more levels, JSON.stringify could overflow the stack. */
const maxDepth = 100;

/** Parts of amqplib's connection that its types lack. */
interface FrameReader {
  /** Received bytes that are not parsed yet. */
  rest: Buffer;
  /** Parses one frame of `rest`; returns false while the frame is incomplete. */
  recvFrame: () => object | false;
}

/**
 * Removes headers that the client cannot parse, because of an unknown type or deep nesting, from each received message. Otherwise
 * the client would end the connection whenever such a message is delivered, which uses up a delivery of all other
 * unacknowledged messages.
 */
export function leaveOutUnreadableHeaders({ connection }: Pick<ChannelModel, 'connection'>): void {
  const reader = connection as unknown as FrameReader;
  const read = reader.recvFrame.bind(reader);
  reader.recvFrame = () => {
    const { rest } = reader;
    let failure: unknown;
    try {
      const frame = read();
      if (frame === false || !isTooDeep(headersOf(frame))) return frame;
    } catch (error) {
      failure = error;
    }
    const readable = withReadableHeaders(rest);
    if (!readable) throw failure;
    reader.rest = readable;
    return read();
  };
}

function headersOf(frame: object): unknown {
  const { fields } = frame as { fields?: { headers?: unknown } };
  return fields?.headers;
}

function isTooDeep(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return false;
  return depth > maxDepth || Object.values(value).some((each) => isTooDeep(each, depth + 1));
}

const frameHeaderBytes = 7;
const contentHeader = 2;
/** Class, weight and body size come before the flags in the payload of a content header. */
const beforeFlags = 12;
const flags = { contentType: 0x8000, contentEncoding: 0x4000, headers: 0x2000 };

/**
 * Rewrites the first frame so that it has only readable headers. The format is described in section 4.2.6 of
 * https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf
 *
 * @returns undefined when the first frame is incomplete, or has no message headers
 */
function withReadableHeaders(bytes: Buffer): Buffer | undefined {
  if (bytes.length < frameHeaderBytes || bytes.readUInt8(0) !== contentHeader) return undefined;
  const size = bytes.readUInt32BE(3);
  if (bytes.length <= frameHeaderBytes + size) return undefined;
  const payload = bytes.subarray(frameHeaderBytes, frameHeaderBytes + size);
  const present = payload.readUInt16BE(beforeFlags);
  if ((present & flags.headers) === 0) return undefined;
  let start = beforeFlags + 2;
  for (const flag of [flags.contentType, flags.contentEncoding]) {
    if ((present & flag) !== 0) start += 1 + payload.readUInt8(start);
  }
  const end = start + 4 + payload.readUInt32BE(start);
  const table = withSize(readableFields(payload.subarray(start + 4, end)));
  const replaced = Buffer.concat([payload.subarray(0, start), table, payload.subarray(end)]);
  return Buffer.concat([bytes.subarray(0, 3), withSize(replaced), bytes.subarray(frameHeaderBytes + size)]);
}

function readableFields(table: Buffer): Buffer {
  const fields = fieldsOf(table).filter(({ name }) => name !== unreadableHeaders);
  const names = fields.filter((field) => !isReadable(field, 1)).map(({ name }) => name);
  const note = Buffer.from(names.join(', ').slice(0, 500));
  return Buffer.concat([
    ...fields.filter((field) => isReadable(field, 1)).map(({ bytes }) => bytes),
    Buffer.from([unreadableHeaders.length]),
    Buffer.from(`${unreadableHeaders}S`),
    withSize(note),
  ]);
}

interface Field {
  name: string;
  type: string;
  value: Buffer;
  /** Name, type and value, as received. */
  bytes: Buffer;
}

/** Sizes in bytes of the types with a fixed size. https://www.rabbitmq.com/amqp-0-9-1-errata.html#section_3 */
const sizes = new Map(
  Object.entries({ V: 0, t: 1, b: 1, B: 1, s: 2, u: 2, I: 4, i: 4, f: 4, D: 5, l: 8, L: 8, d: 8, T: 8 }),
);
const tables = 'F';
const arrays = 'A';
const known = `VtbBsuIifDldTSx${tables}${arrays}`;

function isReadable({ type, value }: Pick<Field, 'type' | 'value'>, depth: number): boolean {
  if (!known.includes(type)) return false;
  if (type !== tables && type !== arrays) return true;
  if (depth > maxDepth) return false;
  const inner = value.subarray(4);
  return (type === tables ? fieldsOf(inner) : itemsOf(inner)).every((each) => isReadable(each, depth + 1));
}

function fieldsOf(table: Buffer): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at < table.length;) {
    const nameEnd = at + 1 + table.readUInt8(at);
    const { type, value, end } = valueAt(table, nameEnd);
    fields.push({ name: table.toString('utf8', at + 1, nameEnd), type, value, bytes: table.subarray(at, end) });
    at = end;
  }
  return fields;
}

function itemsOf(array: Buffer): Pick<Field, 'type' | 'value'>[] {
  const items: Pick<Field, 'type' | 'value'>[] = [];
  for (let at = 0; at < array.length;) {
    const { end, ...item } = valueAt(array, at);
    items.push(item);
    at = end;
  }
  return items;
}

function valueAt(bytes: Buffer, at: number): { type: string; value: Buffer; end: number } {
  const type = String.fromCharCode(bytes.readUInt8(at));
  const end = at + 1 + (sizes.get(type) ?? 4 + bytes.readUInt32BE(at + 1));
  return { type, value: bytes.subarray(at + 1, end), end };
}

function withSize(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(bytes.length);
  return Buffer.concat([size, bytes]);
}
