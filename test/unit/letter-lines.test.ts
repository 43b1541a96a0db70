import { expect, test } from 'vitest';
import { toLetterLines } from '../../cli/letter-lines.ts';
import type { DeadLetter } from '../../bridge/dead-letters/letter.ts';

const letter: DeadLetter = {
  letterId: '0123456789abcdef',
  queue: 'user_backend.ws_updates.dead',
  originQueue: 'user_backend.ws_updates',
  messageId: undefined,
  type: 'instance.updated',
  subject: '11111111-1111-4111-8111-111111111111',
  sequence: 12,
  reason:
    'headers: \u001B[31mno generation\nnor anything else that a consumer could have used to tell what is wanted of it, or of whom',
  time: new Date('2026-01-02T00:00:00.500Z'),
  sizeBytes: 100,
};
const linesOf = (width?: number) => toLetterLines([letter], { formatTime: (time) => time.toISOString(), width });

test('a file or a pipe gets one line for each letter', () => {
  expect(linesOf()).toEqual([
    expect.stringMatching(/^LETTER .* REASON$/),
    '0123456789abcdef  user_backend.ws_updates  instance.updated #12  2026-01-02T00:00:00.500Z  ' +
      '11111111-1111-4111-8111-111111111111  100 B  headers: no generation nor anything else that a consumer could have used to tell what is wanted of it, or of whom',
  ]);
});

test('a terminal gets lines that fit, the reason of each letter below it', () => {
  expect(linesOf(80)).toEqual([
    'LETTER            QUEUE                    MESSAGE',
    '0123456789abcdef  user_backend.ws_updates  instance.updated #12',
    '  headers: no generation',
    '  nor anything else that a consumer could have used to tell what is wanted of',
    '  it, or of whom',
  ]);
});
