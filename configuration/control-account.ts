import type { Environment } from './environment.ts';

/** In a sentence, why CONTROL_AMQP_URL cannot be given to agents; undefined when it can, or when a URL is invalid anyway. */
export function findControlAccountProblem({ AMQP_URL: own, CONTROL_AMQP_URL: control }: Environment) {
  if (!own || !control || !URL.canParse(own) || !URL.canParse(control)) return undefined;
  if (userOf(own) !== userOf(control)) return undefined;
  return (
    'CONTROL_AMQP_URL names the user of AMQP_URL, and agents must never get the login of a service: give it the ' +
    'account of the agents, which npm run contracts:check -- --apply --accounts makes'
  );
}

/** An AMQP client logs in as `guest` when a URL names no user. */
function userOf(url: string): string {
  return decodeURIComponent(new URL(url).username) || 'guest';
}
