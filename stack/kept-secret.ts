import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** A random secret that only this user may read, made once: whatever knows it goes on over a restart. */
export async function keptSecret(file: string): Promise<string> {
  const kept = await readFile(file, 'utf8').catch(() => '');
  if (kept !== '') {
    await chmod(file, 0o600);
    return kept;
  }
  const secret = newSecret();
  await keepSecret(file, secret);
  return secret;
}

export async function keepSecret(file: string, secret: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  // Renamed when complete: a crash never leaves half of a secret, which would then be kept.
  const draft = `${file}.new`;
  await writeFile(draft, secret, { mode: 0o600 });
  await rename(draft, file);
}
