import type { Duplex } from 'node:stream';
import { connect } from 'amqplib';

export interface RawMessage {
  exchange: string;
  routingKey: string;
  messageId: string;
  content: string;
  /** The fields of the table, as they go over the wire. */
  headers: Buffer;
}

/** Publishes what no client of JavaScript can: headers of which every byte is the test's own. Resolves once RabbitMQ has them all. */
export async function publishRaw(amqpUrl: string, messages: readonly RawMessage[]): Promise<void> {
  const model = await connect(amqpUrl);
  try {
    const failed = new Promise<never>((_, reject) => {
      model.once('error', reject);
    });
    const channel = await model.createChannel();
    channel.once('error', () => undefined);
    const { stream } = model.connection as unknown as { stream: Duplex };
    // The client gives its first channel the number 1.
    for (const message of messages) stream.write(framesOf(1, message));
    await Promise.race([channel.prefetch(0), failed]);
  } finally {
    await model.close().catch(() => undefined);
  }
}

/** `depth` tables within each other, as the value of one field. */
export function nestedTables(name: string, depth: number): Buffer {
  const parts: Buffer[] = [];
  for (let size = 0; parts.length < depth; size += 7) {
    const key = parts.length === depth - 1 ? name : 'a';
    parts.push(Buffer.concat([shortString(key), Buffer.from('F'), long(size)]));
  }
  return Buffer.concat(parts.toReversed());
}

export function field(name: string, type: string, value: Buffer): Buffer {
  return Buffer.concat([shortString(name), Buffer.from(type), value]);
}

/** A field of the type long string. */
export function textField(name: string, value: string): Buffer {
  return field(name, 'S', withSize(Buffer.from(value)));
}

/** A field of the type signed integer of 32 bits. */
export function integerField(name: string, value: number): Buffer {
  return field(name, 'I', long(value));
}

const classBasic = 60;
const methodPublish = 40;
/** Of the properties: content type, headers, message id. */
const flags = 0x8000 | 0x2000 | 0x0080;

function framesOf(channel: number, { exchange, routingKey, messageId, content, headers }: RawMessage): Buffer {
  const body = Buffer.from(content);
  const publish = [short(classBasic), short(methodPublish), short(0), shortString(exchange), shortString(routingKey)];
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(body.length));
  const properties = [shortString('application/json'), withSize(headers), shortString(messageId)];
  return Buffer.concat([
    frame(1, channel, [...publish, Buffer.from([0])]),
    frame(2, channel, [short(classBasic), short(0), size, short(flags), ...properties]),
    ...(body.length > 0 ? [frame(3, channel, [body])] : []),
  ]);
}

function frame(type: number, channel: number, parts: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([type]), short(channel), withSize(Buffer.concat(parts)), Buffer.from([0xce])]);
}

function withSize(bytes: Buffer): Buffer {
  return Buffer.concat([long(bytes.length), bytes]);
}

function shortString(text: string): Buffer {
  return Buffer.concat([Buffer.from([Buffer.byteLength(text)]), Buffer.from(text)]);
}

function short(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function long(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
