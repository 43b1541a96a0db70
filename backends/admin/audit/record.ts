import { createHash } from 'node:crypto';
import { ContractViolation, type IncomingEvent } from '../../../bridge/bus/incoming-event.ts';
import type { AuditEntry } from './schemas.ts';

/** The columns of `audit_log` that `append_audit_entries` takes for one event. */
export type AuditRecord = Omit<AuditEntry, 'position' | 'time' | 'agent_id' | 'body' | 'recorded_at' | 'hash'> &
  Record<'occurred_at' | 'body', string> & { agent_id: string | null };

/** @throws ContractViolation if the config is nested too deep */
export function toAuditRecord({ type, metadata, body }: IncomingEvent, content: Buffer): AuditRecord {
  const { instance } = metadata;
  return {
    event_id: metadata.id,
    type,
    occurred_at: metadata.time,
    instance_id: instance ? metadata.subject : null,
    agent_id: instance?.agentId ?? ('agent_id' in body ? body.agent_id : null),
    user_id: instance?.userId ?? null,
    sequence: metadata.sequence,
    correlation_id: metadata.correlationId,
    causation_id: metadata.causationId ?? null,
    schema_version: metadata.schemaVersion,
    desired_state: instance?.desiredState ?? null,
    generation: instance?.generation ?? null,
    observed_generation: instance?.observedGeneration ?? null,
    body: type === 'instance.created' ? withoutConfig(content) : content.toString('utf8'),
  };
}

/**
 * A config may be large and secret, so its hash replaces it. The hash tells whether another config is the same: SHA-256 in
 * hexadecimal of the config in the canonical form of RFC 8785.
 */
function withoutConfig(content: Buffer): string {
  const { config, ...body } = JSON.parse(content.toString('utf8')) as Record<string, unknown>;
  return JSON.stringify({ ...body, config_sha256: sha256(canonicalJson(config)) });
}

/** @throws ContractViolation */
function canonicalJson(json: unknown): string {
  try {
    return write(json);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ContractViolation('body of instance.created: config is nested too deep', { cause: error });
  }
}

/** https://www.rfc-editor.org/rfc/rfc8785: members are sorted by UTF-16 code units, without spaces. */
function write(json: unknown): string {
  if (Array.isArray(json)) return `[${json.map(write).join(',')}]`;
  if (typeof json !== 'object' || json === null) return JSON.stringify(json);
  const members = Object.entries(json).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${write(value)}`).join(',')}}`;
}

export function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}
