import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions } from '@temporalio/worker';
import { InvalidConfiguration, requireEnvironment, withoutEmpty, type Environment } from './environment.ts';

export interface TemporalServer {
  connection: NativeConnectionOptions;
  namespace: string;
}

/** How Temporal is reached according to its SDK, or a sentence that says why it cannot be reached. */
export function findTemporal(environment: Environment): TemporalServer | { problem: string } {
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: withoutEmpty(environment) });
    if (connectionOptions.address) return { connection: connectionOptions, namespace: namespace ?? 'default' };
    return { problem: 'TEMPORAL_ADDRESS is required, e.g. 127.0.0.1:7233 (or a profile in TEMPORAL_CONFIG_FILE)' };
  } catch (error) {
    return { problem: `Temporal's environment configuration cannot be read: ${(error as Error).message}` };
  }
}

/**
 * The server of Temporal for a process that needs no other server. The environment fills what the overrides leave out or undefined.
 *
 * @throws InvalidConfiguration
 */
export function readTemporal(overrides: Environment = {}): TemporalServer {
  const temporal = findTemporal(requireEnvironment(withoutEmpty(overrides)));
  if ('problem' in temporal) throw new InvalidConfiguration(temporal.problem);
  return temporal;
}

/** What an error about the certificate of Temporal's server names. */
export function temporalCertificate(address?: string) {
  const server = address === undefined ? 'Temporal' : `Temporal at ${address}`;
  return { server, setting: 'TEMPORAL_ADDRESS', caSetting: 'TEMPORAL_TLS_SERVER_CA_CERT_PATH' };
}
