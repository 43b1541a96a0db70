import type { z } from 'zod';
import { withCertificateAuthorities } from '../certificates/certificate-authorities.ts';
import { secretVariables, withSecretsOfFiles } from './secrets.ts';
import { withHostsInQuery } from './several-hosts.ts';

/** A variable that is undefined or empty counts as not set, because compose files pass empty variables on. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The message names every setting that is missing or wrong. */
export class InvalidConfiguration extends Error {
  override name = 'InvalidConfiguration';
}

export interface ReadEnvironment {
  environment: Record<string, string>;
  problems: string[];
}

/**
 * The environment of this process, in which secrets of files, the CAs of servers and the nodes of RabbitMQ stand where they are used, and the problems of those
 * files. No other function reads settings from `process.env`.
 */
export function readEnvironment(overrides: Environment = {}): ReadEnvironment {
  const withoutFiles = Object.fromEntries(Object.keys(overrides).map((name) => [`${name}_FILE`, undefined]));
  const ofFiles = withSecretsOfFiles(withoutEmpty({ ...process.env, ...withoutFiles, ...overrides }));
  const { environment, problems } = withCertificateAuthorities(withClusterNodes(ofFiles.environment));
  return { environment, problems: [...ofFiles.problems, ...problems] };
}

/** The nodes of a cluster of RabbitMQ stand where every reader of the URL finds its user and its virtual host. */
function withClusterNodes(environment: Record<string, string>): Record<string, string> {
  const { AMQP_URL } = environment;
  return AMQP_URL === undefined ? environment : { ...environment, AMQP_URL: withHostsInQuery(AMQP_URL) };
}

/** The environment for a process that needs few settings. @throws InvalidConfiguration where a file has a problem */
export function requireEnvironment(overrides: Environment = {}): Record<string, string> {
  const { environment, problems } = readEnvironment(overrides);
  if (problems.length > 0) throw new InvalidConfiguration(problems.join('; '));
  return environment;
}

/** Parses the settings of one purpose. @throws InvalidConfiguration */
export function parseSettings<Schema extends z.ZodType>(
  schema: Schema,
  environment: Record<string, string>,
  { names, advice = '' }: { names?: Record<string, string>; advice?: string } = {},
): z.infer<Schema> {
  const parsed = schema.safeParse(environment);
  if (parsed.success) return parsed.data;
  throw new InvalidConfiguration(`${problemsOf(parsed.error, names).join('; ')}${advice}`);
}

/** @param names what else than its variable a setting is called */
export function problemsOf({ issues }: z.ZodError, names: Record<string, string> = {}): string[] {
  return issues.map(({ path, message }) => `${names[path.join('.')] ?? path.join('.')} ${message}`);
}

/** The variables of the environment that hold a secret, or a URL that may hold one. */
export function readExposedSecrets(): string[] {
  return secretVariables.filter((name) => process.env[name]);
}

export function withoutEmpty(environment: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  );
}
