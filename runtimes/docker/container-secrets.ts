import type { Container } from 'dockerode';
import { extract } from 'tar-stream';
import { secretsOf, type Secret } from '../secrets.ts';
import { configFolder, configName, ownVariables } from './container-spec.ts';
import { unless } from './engine-error.ts';

/**
 * The texts that must not appear where the output of a container is quoted, those in the environment of its image included.
 * The container may have ended.
 *
 * @returns undefined when the container or its config is gone
 */
export async function readSecrets(container: Container, options: object): Promise<Secret[] | undefined> {
  const found = await container.inspect(options).catch(unless(404));
  const archive = await container
    .getArchive({ path: `${configFolder}/${configName}`, ...options })
    .catch(unless(404, 409));
  const config = archive && (await readOnlyFile(archive));
  if (!found || config === undefined) return undefined;
  const variables = (found.Config.Env ?? []).map((variable) => {
    const end = variable.indexOf('=');
    return [variable.slice(0, end), variable.slice(end + 1)] as const;
  });
  const environment = Object.fromEntries(variables.filter(([name]) => !ownVariables.has(name)));
  try {
    return secretsOf({ environment, config: JSON.parse(config) as unknown });
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Undefined when the archive does not end with a file. */
async function readOnlyFile(archive: NodeJS.ReadableStream): Promise<string | undefined> {
  const unpacked = extract();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let isFile = false;
    unpacked.on('entry', ({ type }, stream, next) => {
      isFile = type === 'file';
      stream.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', next);
    });
    unpacked.on('finish', () => resolve(isFile ? Buffer.concat(chunks).toString('utf8') : undefined));
    unpacked.on('error', reject);
    archive.on('error', reject).pipe(unpacked);
  });
}
