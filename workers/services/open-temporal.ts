import { Client, Connection } from '@temporalio/client';
import type { Configuration } from '../../configuration/configuration.ts';
import { temporalLimits } from './time-limits.ts';

/**
 * A client that is not connected yet. gRPC reconnects by itself; a call made meanwhile fails at once and is retried by
 * whoever made it. The SDK's own retries can neither be stopped nor outlive the connection: one that is due after the close
 * is an uncaught exception.
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
