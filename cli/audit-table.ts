import { z } from 'zod';
import type { AuditEntry } from '../backends/admin/audit/schemas.ts';
import type { IncomingEvent } from '../bridge/bus/incoming-event.ts';
import { isEventType } from '../contracts/catalog.ts';
import { eventInWords } from './event-words.ts';
import { clipped, colors, table, type Layout } from './terminal.ts';
import { plainLine } from './plain-text.ts';

/** A terminal gets shortened ids and cut lines, a file or a pipe gets everything. */
export function toAuditTable(entries: readonly AuditEntry[], { formatTime, width }: Layout): string[] {
  const idLength = width === undefined ? undefined : 8;
  const rows = entries.map((entry) => [
    String(entry.position),
    formatTime(entry.time),
    plainLine(entry.type),
    (entry.instance_id ?? entry.agent_id ?? deploymentIn(entry) ?? '').slice(0, idLength),
    inWords(entry),
  ]);
  const [head = '', ...lines] = table([['POSITION', 'TIME', 'TYPE', 'SUBJECT', 'SAYS'], ...rows]);
  return [colors.bold(clipped(head, width)), ...lines.map((line) => clipped(line, width))];
}

/** Events of deployments are about no agent. */
function deploymentIn({ body }: AuditEntry): string | undefined {
  return z.object({ deployment_id: z.string() }).safeParse(body).data?.deployment_id;
}

/** An entry of the audit log keeps the headers of its event, such as `desired_state`, in columns. */
function inWords(entry: AuditEntry): string {
  const { type, body, sequence, generation, observed_generation: observedGeneration } = entry;
  // The entry was changed, or another release with other events wrote it.
  if (!isEventType(type) || typeof body !== 'object') return plainLine(JSON.stringify(body));
  const instance = { desiredState: entry.desired_state, generation, observedGeneration };
  const event = { type, body, metadata: { sequence, instance } } as unknown as IncomingEvent;
  return plainLine(eventInWords(event));
}
