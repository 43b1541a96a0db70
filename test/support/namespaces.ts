import { randomUUID } from 'node:crypto';
import type { Connection } from '@temporalio/client';
import { vi } from 'vitest';

/** A namespace of the test's own. The server learns of a new namespace with a delay. */
export async function createNamespace(connection: Connection): Promise<string> {
  const namespace = `test-${randomUUID()}`;
  await connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
  });
  await vi.waitFor(() => connection.operatorService.listSearchAttributes({ namespace }), { timeout: 60_000 });
  return namespace;
}

export async function removeNamespace(connection: Connection, namespace: string): Promise<void> {
  await connection.operatorService.deleteNamespace({ namespace });
}
