import { z } from 'zod';

/** A place in the list of instances, the newest first: behind the instance of that time and id. */
export interface Cursor {
  /** Of its creation: microseconds since 1970, as PostgreSQL tells times apart. */
  microseconds: bigint;
  id: string;
}

const timeBytes = 8;
const bytes = timeBytes + 16;

/** Opaque to clients. Every text of that form is a place in the list, so that none can be wrong. */
export const cursor = z
  .string()
  .regex(/^[A-Za-z0-9_-]{32}$/)
  .transform(decodeCursor)
  .meta({ description: '`next_cursor` of the page before.' });

export function encodeCursor({ microseconds, id }: Cursor): string {
  const buffer = Buffer.alloc(bytes);
  buffer.writeBigUInt64BE(microseconds);
  buffer.write(id.replaceAll('-', ''), timeBytes, 'hex');
  return buffer.toString('base64url');
}

function decodeCursor(text: string): Cursor {
  const buffer = Buffer.from(text, 'base64url');
  const digits = buffer.toString('hex', timeBytes);
  return {
    // Not beyond the year 4253, which PostgreSQL knows.
    microseconds: BigInt.asUintN(56, buffer.readBigUInt64BE()),
    id: digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
  };
}

/** As PostgreSQL reads it, without a loss. */
export function toTimestamp({ microseconds }: Cursor): string {
  const time = new Date(Number(microseconds / 1000n)).toISOString();
  return time.replace('Z', `${String(microseconds % 1000n).padStart(3, '0')}Z`);
}
