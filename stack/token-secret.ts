import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Kept with the data of `npm start`, so that a page which is open goes on over a restart. */
export async function tokenSecret(directory: string): Promise<string> {
  const file = join(directory, 'token-secret');
  try {
    return await readFile(file, 'utf8');
  } catch {
    const secret = randomBytes(32).toString('base64url');
    await writeFile(file, secret, { mode: 0o600 });
    return secret;
  }
}
