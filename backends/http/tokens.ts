import {
  createRemoteJWKSet,
  customFetch,
  errors,
  jwtVerify,
  type CryptoKey,
  type JWTVerifyOptions,
  type JWTVerifyResult,
} from 'jose';
import { z } from 'zod';
import { fetchWithAuthorities } from '../../certificates/fetch-with-authorities.ts';
import { errorMessage } from '../../supervision/errors.ts';
import { explainUntrusted, UntrustedCertificate } from '../../certificates/untrusted-certificate.ts';

interface JwksPlace {
  jwksUrl: string;
  /** File of the CAs that are trusted to sign the certificate of the server; undefined for those of Node.js. */
  caFile?: string | undefined;
}

export interface TokenSettings {
  /** A secret shared with the issuer of tokens (HS256), or the address of its public keys (RFC 7517). */
  key: { secret: string } | JwksPlace;
  /** Required value of `iss`. If undefined, any is accepted. */
  issuer: string | undefined;
  /** Required value of `aud`, or one of its values. */
  audience: string;
}

/** The caller of a request. */
export interface Identity {
  userId: string;
  isAdmin: boolean;
  expiresAt: Date;
}

/** The token is refused. The message tells the caller why. */
export class InvalidToken extends Error {
  override name = 'InvalidToken';
}

/** The keys of the issuer cannot be read at the moment, so that the token could not be verified. */
export class KeysUnavailable extends Error {
  override name = 'KeysUnavailable';
}

/** @throws InvalidToken; KeysUnavailable */
export type VerifyToken = (token: string) => Promise<Identity>;

/** 9999-12-31T23:59:59Z: RFC 3339 cannot express a later time. */
const lastSecond = 253_402_300_799;

/** `roles` is the only claim that JWT does not define. A caller without roles is a user. */
const claims = z.object({
  sub: z.guid('must be the UUID of the user').transform((id) => id.toLowerCase()),
  exp: z.number().max(lastSecond, 'must be a time before the year 10000, in seconds'),
  roles: z.array(z.string()).default([]),
});

/** Algorithms with a private key. HS256 must not be among them: a public key would then be accepted as the secret. */
const publicKeyAlgorithms = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'];

/** Verifies JSON Web Tokens: signature, `exp`, `nbf`, `aud`, `iss`, and the claims `sub` and `roles`. */
export function createTokenVerifier({ key, issuer, audience }: TokenSettings): VerifyToken {
  const options: JWTVerifyOptions = {
    audience,
    requiredClaims: ['sub', 'exp'],
    clockTolerance: 5,
    ...(issuer !== undefined && { issuer }),
  };
  const verify = verifierOf(key, options);
  return async (token) => {
    const { payload } = await verify(token).catch((error: unknown) => {
      throw explain(error, key);
    });
    const parsed = claims.safeParse(payload);
    if (!parsed.success) throw new InvalidToken(z.prettifyError(parsed.error));
    const { sub, exp, roles } = parsed.data;
    return { userId: sub, isAdmin: roles.includes('admin'), expiresAt: new Date(exp * 1000) };
  };
}

function verifierOf(key: TokenSettings['key'], options: JWTVerifyOptions): (token: string) => Promise<JWTVerifyResult> {
  if ('secret' in key) {
    const secret = new TextEncoder().encode(key.secret);
    return (token) => jwtVerify(token, secret, { ...options, algorithms: ['HS256'] });
  }
  const { jwksUrl, caFile } = key;
  const keys = createRemoteJWKSet(new URL(jwksUrl), {
    timeoutDuration: 5_000,
    ...(caFile !== undefined && { [customFetch]: (url, request) => fetchWithAuthorities(url, caFile, request) }),
  });
  const withKeys = { ...options, algorithms: publicKeyAlgorithms };
  return async (token) => {
    try {
      return await jwtVerify(token, keys, withKeys);
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      return verifyByAny(error, (one) => jwtVerify(token, one, withKeys));
    }
  };
}

/** A token may leave out the id of its key (`kid`). Every key that fits is tried then. */
async function verifyByAny(
  keys: errors.JWKSMultipleMatchingKeys,
  verify: (key: CryptoKey) => Promise<JWTVerifyResult>,
): Promise<JWTVerifyResult> {
  for await (const key of keys) {
    try {
      return await verify(key);
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
    }
  }
  throw new errors.JWSSignatureVerificationFailed();
}

function explain(error: unknown, key: TokenSettings['key']): Error {
  if (!(error instanceof errors.JOSEError) || isOfKeyServer(error)) {
    return new KeysUnavailable(`The keys that tokens are checked with cannot be read: ${reasonOf(error, key)}`, {
      cause: error,
    });
  }
  if (error instanceof errors.JWTExpired) return new InvalidToken('The token has expired.', { cause: error });
  return new InvalidToken(`The token is not valid: ${error.message}.`, { cause: error });
}

function reasonOf(error: unknown, key: TokenSettings['key']): string {
  const server = 'secret' in key ? 'The key server' : `The key server at ${new URL(key.jwksUrl).host}`;
  const setting = 'JWT_JWKS_URL';
  const explained = explainUntrusted(error, { server, setting, caSetting: 'JWT_JWKS_CA_FILE' });
  if (explained instanceof UntrustedCertificate) return explained.message;
  // The message `fetch failed` explains nothing, but its cause does.
  const cause = error instanceof TypeError ? error.cause : undefined;
  return `${errorMessage(cause ?? error)}. Start the server of ${setting}, or correct that.`;
}

/** `jose` throws a plain JOSEError for an answer other than 200. */
function isOfKeyServer(error: errors.JOSEError): boolean {
  return (
    error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || error.constructor === errors.JOSEError
  );
}
