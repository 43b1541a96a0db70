import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import type { TokenSettings } from '../backends/http/tokens.ts';

export interface DevelopmentTokenOptions {
  userId: string;
  roles?: readonly string[];
}

const lifetime = '24h';

/** Kept with the data of `npm start`, so that a page which is open goes on over a restart. */
export async function developmentSecret(directory: string): Promise<string> {
  const file = join(directory, 'token-secret');
  try {
    return await readFile(file, 'utf8');
  } catch {
    const secret = randomBytes(32).toString('base64url');
    await writeFile(file, secret, { mode: 0o600 });
    return secret;
  }
}

/** A token as an issuer would make it; undefined where the backends check tokens by keys that are somebody else's. */
export async function signDevelopmentToken(
  { key, issuer, audience }: TokenSettings,
  { userId, roles = [] }: DevelopmentTokenOptions,
): Promise<string | undefined> {
  if (!('secret' in key)) return undefined;
  const token = new SignJWT({ roles })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userId)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime(lifetime);
  if (issuer !== undefined) token.setIssuer(issuer);
  return token.sign(new TextEncoder().encode(key.secret));
}
