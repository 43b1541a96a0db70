/** Where `bridge/bus/cluster-nodes.ts` finds the second and later nodes. */
const parameter = 'hosts';

const severalHosts = /^(amqps?:\/\/(?:[^/?#]*@)?)(?![^/?#]*@)([^/?#,]+),([^/?#]+)(.*)$/i;

/**
 * Moves the second and later hosts of `amqp://user:password@host,host:port/vhost` into the query, so that every reader of the URL finds its
 * user, its password and its virtual host. Any other text stays as it is.
 */
export function withHostsInQuery(text: string): string {
  const [, start = '', first = '', others = '', rest = ''] = severalHosts.exec(text) ?? [];
  const hosts = others.split(',');
  if (first === '' || !hosts.every((host) => host !== '' && URL.canParse(`amqp://${host}`))) return text;
  const whole = `${start}${first}${rest}`;
  if (!URL.canParse(whole)) return text;
  const url = new URL(whole);
  url.searchParams.set(parameter, others);
  return url.href;
}
