import { Client, Connection } from '@temporalio/client';
import type { Configuration } from '../../configuration/configuration.ts';
import { temporalLimits } from './time-limits.ts';

/**
 * Opens a client that connects with its first call. gRPC reconnects by itself. A call made meanwhile fails at once, and the caller
 * retries it. The SDK's own retries are off: they cannot be stopped, and a retry after the close is an uncaught exception.
 */
export function openTemporal({ connection: options, namespace }: Configuration['temporal']): {
  client: Client;
  connection: Connection;
} {
  const connection = Connection.lazy({
    ...options,
    interceptors: [],
    channelArgs: {
      'grpc.max_reconnect_backoff_ms': 5_000,
      'grpc.keepalive_time_ms': temporalLimits.keepAliveMs,
      'grpc.keepalive_timeout_ms': temporalLimits.keepAliveAnswerMs,
    },
  });
  return { client: new Client({ connection, namespace }), connection };
}
