import { randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, writeFileSync } from 'node:fs';
import { link, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { errorCode } from './error-code.ts';
import { createFile, readText, unlessMissing } from './safe-files.ts';

const fileName = '.host';
const identity = z.guid();
const maxBytes = 100;

/**
 * The identity of the folder as a host. The first worker of the folder makes it, and all others find it.
 *
 * @throws Error when the file holds something else
 */
export async function identifyFolder(root: string): Promise<string> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  const found = await findIdentity(root);
  if (found !== undefined) return found;
  await offer(root, join(root, fileName), randomUUID());
  return identifyFolder(root);
}

/** The same for a reader, which makes no identity. Undefined where no worker of the folder has made one. */
export async function findIdentity(root: string): Promise<string | undefined> {
  const file = join(root, fileName);
  const found = readIfThere(file);
  if (found === undefined) return undefined;
  const parsed = identity.safeParse(found.trim());
  if (parsed.success) return parsed.data;
  throw new Error(
    `The file ${file} does not hold the id of a host. Write the id back that npx instances hosts list shows for it, or remove the file ` +
      'and forget that host.',
  );
}

function readIfThere(file: string): string | undefined {
  try {
    return readText(file, maxBytes);
  } catch (error) {
    return unlessMissing(error);
  }
}

/** A link appears with its content, and only where there is none yet. */
async function offer(root: string, file: string, id: string): Promise<void> {
  const draft = join(root, `${fileName}.${id}`);
  const opened = await createFile(draft);
  try {
    writeFileSync(opened, `${id}\n`);
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
  try {
    await link(draft, file);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
}
