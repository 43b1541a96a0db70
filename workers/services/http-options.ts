import type { HttpServerOptions } from '../../backends/http/server.ts';
import { createTokenVerifier } from '../../backends/http/tokens.ts';
import { InvalidConfiguration } from '../configuration.ts';
import type { HttpConfiguration } from '../http-configuration.ts';

/** What the settings say of the HTTP server of either backend. @throws InvalidConfiguration when no token can be checked */
export function httpOptionsOf({
  tokens,
  ...http
}: HttpConfiguration): Pick<
  HttpServerOptions,
  'verifyToken' | 'allowedOrigins' | 'requestsPerMinute' | 'trustedProxies'
> {
  if (!tokens) throw new InvalidConfiguration('JWT_JWKS_URL or JWT_SECRET is required: tokens are checked by it.');
  return {
    verifyToken: createTokenVerifier(tokens),
    allowedOrigins: http.allowedOrigins,
    requestsPerMinute: http.requestsPerMinute,
    trustedProxies: http.trustedProxies,
  };
}
