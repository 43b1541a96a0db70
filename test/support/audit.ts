import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import type { AuditRecord } from '../../backends/admin/audit/record.ts';
import { verifyAudit, type ChainHead } from '../../backends/admin/audit/verify.ts';
import { createMigratedDatabase, dropDatabase } from './databases.ts';

/** What is appended of one event; an instance's unless told otherwise. */
export function auditRecord(fields: Partial<AuditRecord> = {}): AuditRecord {
  return {
    event_id: randomUUID(),
    type: 'instance.updated',
    occurred_at: '2025-01-01T12:00:00.123Z',
    instance_id: randomUUID(),
    agent_id: randomUUID(),
    user_id: randomUUID(),
    sequence: 2,
    correlation_id: randomUUID(),
    causation_id: randomUUID(),
    schema_version: 1,
    desired_state: 'running',
    generation: 1,
    observed_generation: 1,
    body: '{"status": "running", "text": "zwei\\nZeilen, 日本"}',
    ...fields,
  };
}

/** A migrated database of its own, on which the audit log can be written to, and tampered with as its owner can. */
export async function openAuditLog() {
  const server = inject('servers').databaseUrl;
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const databaseUrl = await createMigratedDatabase(server, name);
  const client = new pg.Client(databaseUrl);
  await client.connect();
  const audit = {
    databaseUrl,
    client,
    append: (...records: AuditRecord[]) =>
      client.query('select * from append_audit_entries($1)', [JSON.stringify(records)]),
    verify: (expected?: ChainHead) => verifyAudit(client, expected),
    /** Past the triggers, as whoever owns the server can do anything. */
    tamper: async (...statements: string[]) => {
      await client.query('set session_replication_role = replica');
      try {
        for (const statement of statements) await client.query(statement);
      } finally {
        await client.query('set session_replication_role = origin');
      }
    },
    close: async () => {
      await client.end();
      await dropDatabase(server, name);
    },
  };
  return audit;
}
