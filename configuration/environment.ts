import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions } from '@temporalio/worker';
import { withCertificateAuthorities } from '../certificates/certificate-authorities.ts';
import { withSecretsOfFiles } from './secret-files.ts';

/** Undefined or empty: not set. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What is set, with secrets that are in files and the CAs of servers where they belong; and what is wrong with those files. */
export function readEnvironment(
  given: Environment,
  overrides: Environment = {},
): { environment: Record<string, string>; problems: string[] } {
  const overridden = Object.fromEntries(Object.keys(overrides).map((name) => [`${name}_FILE`, undefined]));
  const ofFiles = withSecretsOfFiles(withoutEmpty({ ...given, ...overridden, ...overrides }));
  const { environment, problems } = withCertificateAuthorities(ofFiles.environment);
  return { environment, problems: [...ofFiles.problems, ...problems] };
}

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

/** For a sentence about the certificate of Temporal's server. */
export function temporalCertificate(address?: string) {
  const server = address === undefined ? 'Temporal' : `Temporal at ${address}`;
  return { server, setting: 'TEMPORAL_ADDRESS', caSetting: 'TEMPORAL_TLS_SERVER_CA_CERT_PATH' };
}

/** An empty variable is one that is not set: compose files pass those on. */
export function withoutEmpty(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  );
}
