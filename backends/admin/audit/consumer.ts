import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { startConsumer } from '../../../bridge/bus/consumer.ts';
import type { FatalError } from '../../../supervision/errors.ts';
import type { Supervised } from '../../../supervision/supervise.ts';
import { queueNames } from '../../../contracts/names.ts';
import { createAppender } from './append.ts';
import { toAuditRecord } from './record.ts';

export interface AuditConsumerOptions {
  amqpUrl: string;
  pool: Pool;
  logger: Logger;
  onFatal: (error: FatalError) => void;
}

/** Writes every event of the bus into the audit log once. Several replicas may run it. */
export function startAuditConsumer({ amqpUrl, pool, logger, onFatal }: AuditConsumerOptions): Supervised {
  const append = createAppender({ pool, logger });
  return startConsumer({
    name: 'admin_backend.audit',
    amqpUrl,
    queue: queueNames.adminBackendAudit,
    // So many entries share one commit, which takes most of the time. A body may have megabytes.
    prefetch: 32,
    handle: (event, signal, content) => append(toAuditRecord(event, content), signal),
    logger,
    onFatal,
  });
}
