import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions } from '@temporalio/worker';

/** Undefined or empty: not set. */
export type Environment = Readonly<Record<string, string | undefined>>;

interface TemporalServer {
  connection: NativeConnectionOptions;
  namespace: string;
}

/** How Temporal is reached, as the SDK reads it; or, in a sentence, why it cannot be. */
export function readTemporal(environment: Environment): TemporalServer | { problem: string } {
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: withoutEmpty(environment) });
    if (connectionOptions.address) return { connection: connectionOptions, namespace: namespace ?? 'default' };
    return { problem: 'TEMPORAL_ADDRESS is required, e.g. 127.0.0.1:7233 (or a profile in TEMPORAL_CONFIG_FILE)' };
  } catch (error) {
    return { problem: `Temporal's environment configuration cannot be read: ${(error as Error).message}` };
  }
}

/** An empty variable is one that is not set: compose files pass those on. */
export function withoutEmpty(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  );
}
