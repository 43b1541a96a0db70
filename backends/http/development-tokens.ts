import { SignJWT } from 'jose';
import type { TokenSettings } from './tokens.ts';

export interface DevelopmentTokenOptions {
  userId: string;
  roles?: readonly string[];
}

const lifetime = '24h';

/** @returns a token like those of an issuer; undefined if the backends verify tokens with the public keys of an issuer */
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
