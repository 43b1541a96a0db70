import type { ChannelModel } from 'amqplib';

/** Header with the names of the headers that were removed because the client cannot read them. */
const unreadableHeaders = 'unreadable_headers';

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
  const readShallow = (bytes: Buffer): object | false => {
    reader.rest = bytes;
    const frame = read();
    if (frame !== false && isTooDeep(headersOf(frame))) throw new Error('The headers are nested too deep.');
    return frame;
  };
  const isReadable = (frame: Buffer): boolean => {
    try {
      return readShallow(frame) !== false;
    } catch {
      return false;
    }
  };
  reader.recvFrame = () => {
    const { rest } = reader;
    try {
      return readShallow(rest);
    } catch (error) {
      const readable = withReadableHeaders(rest, isReadable);
      if (!readable) throw error;
      return readShallow(readable);
    }
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
 * @param isReadable whether the client can parse a frame with a single header
 * @returns undefined when the first frame is incomplete, or has no message headers
 */
function withReadableHeaders(bytes: Buffer, isReadable: (frame: Buffer) => boolean): Buffer | undefined {
  if (bytes.length < frameHeaderBytes || bytes.readUInt8(0) !== contentHeader) return undefined;
  const end = frameHeaderBytes + bytes.readUInt32BE(3);
  if (bytes.length <= end) return undefined;
  const payload = bytes.subarray(frameHeaderBytes, end);
  const present = payload.readUInt16BE(beforeFlags);
  if ((present & flags.headers) === 0) return undefined;
  let start = beforeFlags + 2;
  for (const flag of [flags.contentType, flags.contentEncoding]) {
    if ((present & flag) !== 0) start += 1 + payload.readUInt8(start);
  }
  const tableEnd = start + 4 + payload.readUInt32BE(start);
  const frameWith = (fields: Buffer[]): Buffer => {
    const table = withSize(Buffer.concat(fields));
    const replaced = Buffer.concat([payload.subarray(0, start), table, payload.subarray(tableEnd)]);
    return Buffer.concat([bytes.subarray(0, 3), withSize(replaced), bytes.subarray(end, end + 1)]);
  };
  const unreadable: string[] = [];
  const readable = fieldsOf(payload.subarray(start + 4, tableEnd)).filter(({ name, field }) => {
    if (name === unreadableHeaders) return false;
    if (isReadable(frameWith([field]))) return true;
    unreadable.push(name);
    return false;
  });
  const note = withSize(Buffer.from(unreadable.join(', ').slice(0, 500)));
  const noteName = Buffer.from([unreadableHeaders.length, ...Buffer.from(`${unreadableHeaders}S`)]);
  return Buffer.concat([frameWith([...readable.map(({ field }) => field), noteName, note]), bytes.subarray(end + 1)]);
}

/** Sizes in bytes of the types with a fixed size. https://www.rabbitmq.com/amqp-0-9-1-errata.html#section_3 */
const sizes = new Map(
  Object.entries({ V: 0, t: 1, b: 1, B: 1, s: 2, u: 2, I: 4, i: 4, f: 4, D: 5, l: 8, L: 8, d: 8, T: 8 }),
);

/** Splits a table into its fields: name, type and value, as received. */
function fieldsOf(table: Buffer): { name: string; field: Buffer }[] {
  const fields: { name: string; field: Buffer }[] = [];
  for (let at = 0; at < table.length;) {
    const nameEnd = at + 1 + table.readUInt8(at);
    const size = sizes.get(String.fromCharCode(table.readUInt8(nameEnd))) ?? 4 + table.readUInt32BE(nameEnd + 1);
    const end = nameEnd + 1 + size;
    fields.push({ name: table.toString('utf8', at + 1, nameEnd), field: table.subarray(at, end) });
    at = end;
  }
  return fields;
}

function withSize(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(bytes.length);
  return Buffer.concat([size, bytes]);
}
