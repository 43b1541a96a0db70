import { findLetter, type FindOptions } from './find-letter.ts';
import { toDeadLetter, type DeadLetter } from './letter.ts';

export interface InspectedLetter extends DeadLetter {
  /** As amqplib reads them. */
  headers: Record<string, unknown>;
  body: {
    content: string;
    /** `base64` when the bytes are not UTF-8. */
    encoding: 'utf-8' | 'base64';
    /** Only the first `maxBodyBytes` are in `content`. */
    cut: boolean;
  };
}

/** A person looks at it; messages may be 16 MiB. */
export const maxBodyBytes = 256 * 1024;

/** The whole letter, which stays where it is. @returns undefined when there is no such letter */
export function inspectDeadLetter(options: FindOptions): Promise<InspectedLetter | undefined> {
  return findLetter(options, ({ queue, message }) => ({
    ...toDeadLetter(queue, message),
    headers: message.properties.headers ?? {},
    body: readBody(message.content),
  }));
}

function readBody(content: Buffer): InspectedLetter['body'] {
  const bytes = content.subarray(0, maxBodyBytes);
  const cut = bytes.length < content.length;
  try {
    // As a part of a stream, it may end within a character.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: cut });
    return { content: text, encoding: 'utf-8', cut };
  } catch {
    return { content: bytes.toString('base64'), encoding: 'base64', cut };
  }
}
