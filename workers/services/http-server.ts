import type { HttpServer, HttpServerOptions } from '../../backends/http/server.ts';
import { createTokenVerifier } from '../../backends/http/tokens.ts';
import { FatalError } from '../../supervision/errors.ts';
import { InvalidConfiguration } from '../../configuration/environment.ts';
import type { Configuration } from '../../configuration/configuration.ts';

/** Options of the HTTP server that both backends share. @throws InvalidConfiguration when no setting says how tokens are checked */
export function httpOptionsOf({
  tokens,
  ...http
}: Configuration['http']): Pick<
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

/** @returns the URL. @throws FatalError that names the settings to change when the port cannot be used */
export async function listen(
  app: HttpServer,
  { host, port, setting }: { host: string; port: number; setting: string },
): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    const { code = 'unknown error' } = error as { code?: string };
    throw new FatalError(
      `Port ${port} of ${host} cannot be listened on: ${code}. End what uses it, or change ${setting} or HTTP_HOST.`,
      { cause: error },
    );
  }
}
