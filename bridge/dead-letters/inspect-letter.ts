import { toDeadLetter, type DeadLetter } from './letter.ts';
import { findLetter, type FindOptions } from './take-letters.ts';

export interface InspectedLetter extends DeadLetter {
  headers: Record<string, unknown>;
  body: {
    content: string;
    /** `base64` if the bytes are not UTF-8. */
    encoding: 'utf-8' | 'base64';
    /** Whether `content` has only the first `maxBodyBytes`. */
    cut: boolean;
  };
}

/** A message may have 16 MiB, which is too much for a person to read. */
export const maxBodyBytes = 256 * 1024;

/** Reads a whole letter, which stays in its place. @returns undefined when there is no such letter */
export function inspectDeadLetter(options: FindOptions): Promise<InspectedLetter | undefined> {
  return findLetter(options, (letter) => ({
    ...toDeadLetter(letter),
    headers: letter.message.properties.headers ?? {},
    body: readBody(letter.message.content),
  }));
}

function readBody(content: Buffer): InspectedLetter['body'] {
  const bytes = content.subarray(0, maxBodyBytes);
  const cut = bytes.length < content.length;
  try {
    // The cut may be within a character, which the decoder accepts in a stream.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: cut });
    return { content: text, encoding: 'utf-8', cut };
  } catch {
    return { content: bytes.toString('base64'), encoding: 'base64', cut };
  }
}
