import type { AuditEntry } from '../backends/admin/audit/search.ts';
import type { IncomingEvent } from '../bridge/bus/incoming-event.ts';
import { isEventType } from '../contracts/catalog.ts';
import { eventInWords } from './event-words.ts';
import { clipped, colors, plainLine, table, type FormatTime } from './terminal.ts';

interface TableOptions {
  formatTime: FormatTime;
  /** Of the terminal, in characters; left out for a file or a pipe. */
  width?: number | undefined;
}

/** In full for a file or a pipe; in a terminal, ids are shortened and lines are cut. */
export function toAuditTable(entries: readonly AuditEntry[], { formatTime, width }: TableOptions): string[] {
  const idLength = width === undefined ? undefined : 8;
  const rows = entries.map((entry) => [
    String(entry.position),
    formatTime(entry.time),
    plainLine(entry.type),
    (entry.instance_id ?? entry.agent_id ?? '').slice(0, idLength),
    inWords(entry),
  ]);
  const [head = '', ...lines] = table([['POSITION', 'TIME', 'TYPE', 'SUBJECT', 'SAYS'], ...rows]);
  return [colors.bold(clipped(head, width)), ...lines.map((line) => clipped(line, width))];
}

/** What was wanted stands in headers of an event, of which an entry has columns. */
function inWords(entry: AuditEntry): string {
  const { type, body, sequence, generation, observed_generation: observedGeneration } = entry;
  // Somebody has changed it, or it is of a release that knew other events.
  if (!isEventType(type) || typeof body !== 'object') return plainLine(JSON.stringify(body));
  const instance = { desiredState: entry.desired_state, generation, observedGeneration };
  const event = { type, body, metadata: { sequence, instance } } as unknown as IncomingEvent;
  return plainLine(eventInWords(event));
}
