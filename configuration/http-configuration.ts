import type { TokenSettings } from '../backends/http/tokens.ts';
import type { Environment } from './environment.ts';
import type { Settings } from './settings.ts';

/** What both backends are told of HTTP. */
export interface HttpConfiguration {
  host: string;
  userBackendPort: number;
  adminBackendPort: number;
  /** Undefined: no token can be checked, so that no backend can start. */
  tokens: TokenSettings | undefined;
  allowedOrigins: string[];
  requestsPerMinute: number;
  trustedProxies: string[];
  adminBackendUrl: string | undefined;
  temporalUiUrl: string | undefined;
}

/** In a sentence, what is wrong with how tokens are to be checked. */
export function findTokenProblem({ JWT_SECRET: secret, JWT_JWKS_URL: jwksUrl }: Environment, needed: boolean) {
  if (secret && jwksUrl) return 'JWT_SECRET and JWT_JWKS_URL are both set: tokens are checked by one of them';
  if (!needed || secret || jwksUrl) return undefined;
  return 'JWT_JWKS_URL is required, e.g. https://login.example.com/.well-known/jwks.json (for development, JWT_SECRET)';
}

export function toHttp(data: Settings): HttpConfiguration {
  const key = data.JWT_SECRET
    ? { secret: data.JWT_SECRET }
    : data.JWT_JWKS_URL
      ? { jwksUrl: data.JWT_JWKS_URL, caFile: data.JWT_JWKS_CA_FILE }
      : undefined;
  return {
    host: data.HTTP_HOST,
    userBackendPort: data.USER_BACKEND_PORT,
    adminBackendPort: data.ADMIN_BACKEND_PORT,
    tokens: key && { key, issuer: data.JWT_ISSUER, audience: data.JWT_AUDIENCE },
    allowedOrigins: data.ALLOWED_ORIGINS,
    requestsPerMinute: data.REQUESTS_PER_MINUTE,
    trustedProxies: data.TRUSTED_PROXIES,
    adminBackendUrl: data.ADMIN_BACKEND_URL,
    temporalUiUrl: data.TEMPORAL_UI_URL,
  };
}
