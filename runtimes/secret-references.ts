import { readFile, stat } from 'node:fs/promises';
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

/** A Secret of Kubernetes can be as large. It holds for a file, and for all secrets in a config with their repetitions. */
const maxBytes = 1_048_576;
/** No config of use is as deep, and the stack has room for a multiple of it. */
const maxDepth = 1_000;
/** Users see the path of a reference in a message, and choose the names in it. */
const pathLength = 200;

export function openHostSecrets({ file, directory }: SecretPlaces): HostSecrets {
  return {
    read: async (name) => {
      const own = directory === undefined ? undefined : await readFrom(directory, name);
      if (own !== undefined) return own;
      const lines = file === undefined ? undefined : await readOrNothing('AGENT_SECRETS_FILE', file);
      if (lines === undefined && file !== undefined) throw unreadable('AGENT_SECRETS_FILE', 'ENOENT');
      return lines === undefined ? undefined : new Map(Object.entries(parse(lines))).get(name);
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
  // Whoever writes the config decides how many references it has, so each secret is read once, and only if all of them are in order.
  const paths = new Map<string, string>();
  replaceReferences(config, (name, path) => {
    if (!allowed.includes(name)) {
      throw new SpecRejected(
        `${shown(path)} names the secret ${name}, which the agent may not have. Its publisher has to list it in runtime.secrets.`,
      );
    }
    if (!paths.has(name)) paths.set(name, path);
    return '';
  });
  const read = async ([name, path]: [string, string]): Promise<[string, string]> => {
    const secret = await hostSecrets?.read(name);
    if (secret !== undefined) return [name, secret];
    const advice =
      'Add it to AGENT_SECRETS_FILE or AGENT_SECRETS_DIRECTORY of agents_worker there, and retry the instance.';
    throw new SpecRejected(`${shown(path)} names the secret ${name}, which the host does not have. ${advice}`);
  };
  const secrets = new Map(await Promise.all([...paths].map(read)));
  let bytes = 0;
  return replaceReferences(config, (name) => {
    const secret = secrets.get(name) ?? '';
    bytes += Buffer.byteLength(secret);
    if (bytes <= maxBytes) return secret;
    throw new SpecRejected(`config may get ${maxBytes} bytes of secrets at most. Refer to each secret less often.`);
  });
}

/** A copy of the config, with what `replace` returns in the place of each reference. */
function replaceReferences(
  config: Record<string, unknown>,
  replace: (name: string, path: string) => string,
): Record<string, unknown> {
  if (Object.hasOwn(config, referenceKey)) {
    throw new SpecRejected('config cannot be a reference itself: put the reference into a member of it.');
  }
  const visit = (value: unknown, path: string, depth: number): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    if (Object.hasOwn(value, referenceKey)) return replace(nameIn(value, path), path);
    if (depth > maxDepth) {
      throw new SpecRejected(
        `config is nested more than ${maxDepth} levels deep, which an agent with secrets cannot have.`,
      );
    }
    return Array.isArray(value)
      ? value.map((member, index) => visit(member, `${path}[${index}]`, depth + 1))
      : visitMembers(value, path, depth);
  };
  const visitMembers = (value: object, path: string, depth: number): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(value).map(([key, member]) => [key, visit(member, `${path}.${key}`, depth + 1)] as const),
    );
  return visitMembers(config, 'config', 1);
}

function nameIn(reference: object, path: string): string {
  const [[, name] = []] = Object.entries(reference);
  const parsed = secretName.safeParse(name);
  if (Object.keys(reference).length === 1 && parsed.success) return parsed.data;
  throw new SpecRejected(
    `${shown(path)} has a member ${referenceKey} and is no reference to a secret: that is {"${referenceKey}": "name"}, and nothing else beside it.`,
  );
}

/** PostgreSQL stores no half of a surrogate pair, so none is left where the path is cut off. */
function shown(path: string): string {
  return path.length > pathLength ? `${path.slice(0, pathLength).replace(/[\uD800-\uDBFF]$/, '')}…` : path;
}

async function readFrom(directory: string, name: string): Promise<string | undefined> {
  const secret = await readOrNothing('AGENT_SECRETS_DIRECTORY', join(directory, name));
  // Editors and `echo` end a file with a line feed, which does not belong to the secret.
  if (secret !== undefined) return secret.replace(/\r?\n$/, '');
  // A folder that is away for a while, such as one that is not mounted yet, says nothing about its secrets.
  await stat(directory).catch((error: unknown) => {
    throw unreadable('AGENT_SECRETS_DIRECTORY', (error as NodeJS.ErrnoException).code ?? '', error);
  });
  return undefined;
}

async function readOrNothing(setting: string, path: string): Promise<string | undefined> {
  const bytes = await readBytes(setting, path);
  try {
    // It also leaves out a byte order mark.
    return bytes && new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw unreadable(setting, 'not UTF-8', error);
  }
}

async function readBytes(setting: string, path: string): Promise<Buffer | undefined> {
  try {
    const found = await stat(path);
    // A pipe could be read at one start alone, and its reader may wait forever.
    if (!found.isFile() && !found.isDirectory()) throw unreadable(setting, 'not a regular file');
    if (found.isFile() && found.size > maxBytes) throw unreadable(setting, `more than ${maxBytes} bytes`);
    return await readFile(path);
  } catch (error) {
    if (error instanceof RuntimeUnavailable) throw error;
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw unreadable(setting, code, error);
  }
}

/** Names no path, because users see the message. */
function unreadable(setting: string, reason: string, cause?: unknown): RuntimeUnavailable {
  const message = `The secrets of the host cannot be read (${reason}): see ${setting} of agents_worker there.`;
  return new RuntimeUnavailable(message, { cause });
}
