import { z } from 'zod';
import type { Place } from '../../database/instances/list.ts';

const timeBytes = 8;
const bytes = timeBytes + 16;

/** Opaque to clients. Every text of this form is a place in the list, so no cursor can be invalid. */
export const cursor = z
  .string()
  .regex(/^[A-Za-z0-9_-]{32}$/)
  .transform(decodeCursor)
  .meta({ description: '`next_cursor` of the previous page.' });

export function encodeCursor({ microseconds, id }: Place): string {
  const buffer = Buffer.alloc(bytes);
  buffer.writeBigUInt64BE(microseconds);
  buffer.write(id.replaceAll('-', ''), timeBytes, 'hex');
  return buffer.toString('base64url');
}

function decodeCursor(text: string): Place {
  const buffer = Buffer.from(text, 'base64url');
  const digits = buffer.toString('hex', timeBytes);
  return {
    // 56 bits end in the year 4253, which is within the range of PostgreSQL.
    microseconds: BigInt.asUintN(56, buffer.readBigUInt64BE()),
    id: digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
  };
}
