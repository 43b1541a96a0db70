import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { referenceKey, secretName } from '../contracts/runtime-spec.ts';
import { RuntimeUnavailable, SpecRejected, type HostSecrets, type ProvisionRequest } from './runtime.ts';

export interface SecretPlaces {
  /** A file of lines `name=value`. */
  file?: string | undefined;
  /** A folder with one file for each secret, such as a mounted Secret of Kubernetes. It comes before the file. */
  directory?: string | undefined;
}

export function openHostSecrets({ file, directory }: SecretPlaces): HostSecrets {
  return {
    read: async (name) => {
      const own =
        directory === undefined ? undefined : await readOrNothing('AGENT_SECRETS_DIRECTORY', join(directory, name));
      // Editors and `echo` end a file with a line feed, which does not belong to the secret.
      if (own !== undefined) return own.replace(/\r?\n$/, '');
      const lines = file === undefined ? undefined : await readOrNothing('AGENT_SECRETS_FILE', file);
      if (lines === undefined && file !== undefined) throw unreadable('AGENT_SECRETS_FILE', 'ENOENT');
      return lines === undefined ? undefined : parse(lines)[name];
    },
  };
}

/**
 * The config that an agent gets: each `{"$secret": "name"}` is replaced by the secret, as a text. To be called right before a start.
 *
 * @throws SpecRejected if a reference is wrong, the agent may not have the secret or the host has none; RuntimeUnavailable
 */
export async function resolveConfig({
  config,
  spec: { secrets: allowed },
  hostSecrets,
}: Pick<ProvisionRequest, 'config' | 'spec' | 'hostSecrets'>): Promise<Record<string, unknown>> {
  // Without them, a member of that name is data as any other.
  if (allowed.length === 0) return config;
  const resolve = async (value: unknown, path: string): Promise<unknown> => {
    if (Array.isArray(value)) return Promise.all(value.map((member, index) => resolve(member, `${path}[${index}]`)));
    if (typeof value !== 'object' || value === null) return value;
    if (Object.hasOwn(value, referenceKey)) return read(nameIn(value, path), path);
    const members = await Promise.all(
      Object.entries(value).map(async ([key, member]) => [key, await resolve(member, `${path}.${key}`)] as const),
    );
    return Object.fromEntries(members);
  };
  const read = async (name: string, path: string): Promise<string> => {
    if (!allowed.includes(name)) {
      throw new SpecRejected(
        `${path} names the secret ${name}, which the agent may not have. Its publisher has to list it in runtime.secrets.`,
      );
    }
    const secret = await hostSecrets?.read(name);
    if (secret !== undefined) return secret;
    const advice =
      'Add it to AGENT_SECRETS_FILE or AGENT_SECRETS_DIRECTORY of agents_worker there, and retry the instance.';
    throw new SpecRejected(`${path} names the secret ${name}, which the host does not have. ${advice}`);
  };
  return (await resolve(config, 'config')) as Record<string, unknown>;
}

function nameIn(reference: object, path: string): string {
  const [[, name] = []] = Object.entries(reference);
  const parsed = secretName.safeParse(name);
  if (Object.keys(reference).length === 1 && parsed.success) return parsed.data;
  throw new SpecRejected(
    `${path} has a member ${referenceKey} and is no reference to a secret: that is {"${referenceKey}": "name"}, and nothing else beside it.`,
  );
}

async function readOrNothing(setting: string, path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw unreadable(setting, code, error);
  }
}

/** Names no path, because users see the message. */
function unreadable(setting: string, code: string, cause?: unknown): RuntimeUnavailable {
  const message = `The secrets of the host cannot be read (${code}): see ${setting} of agents_worker there.`;
  return new RuntimeUnavailable(message, { cause });
}
