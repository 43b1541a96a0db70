import type { Environment } from './environment.ts';

/** Settings that are valid alone but contradict each other, or of which one is missing, as one sentence each. */
export function findConflicts(environment: Environment, { needsTokens }: { needsTokens: boolean }): string[] {
  return [findTokenProblem(environment, needsTokens), findControlAccountProblem(environment)].filter(
    (problem) => problem !== undefined,
  );
}

function findTokenProblem({ JWT_SECRET: secret, JWT_JWKS_URL: jwksUrl }: Environment, isNeeded: boolean) {
  if (secret && jwksUrl) return 'JWT_SECRET and JWT_JWKS_URL are both set: tokens are checked by one of them';
  if (!isNeeded || secret || jwksUrl) return undefined;
  return 'JWT_JWKS_URL is required, e.g. https://login.example.com/.well-known/jwks.json (for development, JWT_SECRET)';
}

function findControlAccountProblem({ AMQP_URL: own, CONTROL_AMQP_URL: control }: Environment) {
  if (own === undefined || control === undefined) return undefined;
  const user = userOf(own);
  if (user === undefined || user !== userOf(control)) return undefined;
  return (
    'CONTROL_AMQP_URL names the user of AMQP_URL, and agents must never get the login of a service: give it the ' +
    'account of the agents, which npm run contracts:check -- --apply --accounts makes'
  );
}

/** The user that an AMQP client logs in as, which is `guest` when the URL names none. Undefined when the URL is invalid. */
function userOf(url: string): string | undefined {
  try {
    return decodeURIComponent(new URL(url).username) || 'guest';
  } catch {
    return undefined;
  }
}
