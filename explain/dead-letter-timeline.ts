import type { DeadLetters } from '../bridge/dead-letters/list-letters.ts';
import type { TimelineEntry } from './timeline.ts';

export function deadLetterTimeline({ letters }: DeadLetters): TimelineEntry[] {
  return letters.map(({ queue, type, sequence, messageId, reason, time }) => {
    const what = `${type ?? 'a message'}${sequence === undefined ? '' : ` #${sequence}`}`;
    return {
      time,
      source: 'dead letter',
      text: `${what} (message ${messageId ?? 'without id'}) is in ${queue}: ${reason}`,
      bad: true,
    };
  });
}
