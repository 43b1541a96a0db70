import { SignJWT } from 'jose';

/** The settings of backends whose tokens `signToken` makes. */
export const tokenSettings = { JWT_SECRET: 'a-secret-of-the-tests-0123456789abcdef' };

export interface TokenOptions {
  userId: string;
  roles?: readonly string[];
  /** As jose takes it, e.g. `10 s` or `-1 h`. */
  expiresIn?: string;
  secret?: string;
}

export function signToken({
  userId,
  roles = [],
  expiresIn = '1 h',
  secret = tokenSettings.JWT_SECRET,
}: TokenOptions): Promise<string> {
  return new SignJWT({ roles })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userId)
    .setAudience('instance-engine')
    .setIssuedAt()
    .setExpirationTime(expiresIn)
    .sign(new TextEncoder().encode(secret));
}
