import pRetry from 'p-retry';
import { z } from 'zod';
import { explainUntrusted, UntrustedCertificate } from '../../certificates/untrusted-certificate.ts';
import { caFileOf, virtualHostOf } from '../bus/connection.ts';
import { fetchWithAuthorities } from '../../certificates/fetch-with-authorities.ts';
import { errorMessage } from '../../supervision/errors.ts';

export interface ManagementOptions {
  /** Names the virtual host, and the user unless the management URL names one. */
  amqpUrl: string;
  /** By default the host of the AMQP URL with port 15672, or 15671 over TLS. May contain user, password and `cacertfile`. */
  managementUrl?: string | undefined;
  timeoutMs?: number;
}

const refusal = z.object({ reason: z.string() });

type List =
  'exchanges' | 'queues' | 'bindings' | 'policies' | 'operator-policies' | 'vhost-limits' | 'permissions' | 'users';

/**
 * Reads a list of RabbitMQ's management API (https://www.rabbitmq.com/docs/management#http-api) with the columns of the schema:
 * objects of the virtual host, or the users of the whole server.
 *
 * @throws Error that says which option to give
 */
export async function listOf<Shape extends z.ZodRawShape>(
  options: ManagementOptions,
  list: List,
  entry: z.ZodObject<Shape>,
): Promise<z.output<z.ZodObject<Shape>>[]> {
  const virtualHost = encodeURIComponent(virtualHostOf(new URL(options.amqpUrl)));
  // With statistics, RabbitMQ would answer the list of queues from a cache.
  const query = `disable_stats=true&columns=${Object.keys(entry.shape).join(',')}`;
  const paths = { permissions: `vhosts/${virtualHost}/permissions`, users: 'users' };
  const path = list in paths ? paths[list as keyof typeof paths] : `${list}/${virtualHost}`;
  const read = async () => {
    const answer = await request(options, `${path}?${query}`);
    const entries = z.array(entry).safeParse(answer.body);
    if (answer.status === 200 && entries.success) return entries.data;
    throw answer.status >= 500 ? new ServerFailed(explain(answer)) : new Error(explain(answer));
  };
  return pRetry(read, { ...retries, shouldRetry: ({ error }) => error instanceof ServerFailed });
}

/**
 * An answer of 500 or above. RabbitMQ (3.10 and 4.3) lists the names of all users and then looks each of them up, so it answers 500 when a
 * user is deleted in between.
 */
class ServerFailed extends Error {}

const retries = { retries: 4, minTimeout: 200, maxTimeout: 2_000 };

/** @throws Error that says which option to give */
export async function put(options: ManagementOptions, path: string, body: object): Promise<void> {
  const answer = await request(options, path, { method: 'PUT', body: JSON.stringify(body) });
  if (answer.status !== 201 && answer.status !== 204) throw new Error(explain(answer));
}

/** Removes an object, if there is one. @throws Error that says which option to give */
export async function remove(options: ManagementOptions, path: string): Promise<void> {
  const answer = await request(options, path, { method: 'DELETE' });
  if (answer.status !== 204 && answer.status !== 404) throw new Error(explain(answer));
}

interface Answer {
  status: number;
  body: unknown;
  place: string;
  virtualHost: string;
}

async function request(
  { amqpUrl, managementUrl, timeoutMs = 10_000 }: ManagementOptions,
  path: string,
  change: { method?: string; body?: string } = {},
): Promise<Answer> {
  const amqp = new URL(amqpUrl);
  const management = new URL(managementUrl ?? defaultManagementUrl(amqp));
  const place = `${management.origin}${management.pathname.replace(/\/$/, '')}`;
  const caFile = management.protocol === 'https:' ? (caFileOf(management) ?? caFileOf(amqp)) : undefined;
  const url = `${place}/api/${path}`;
  const options = {
    headers: {
      authorization: basic(management.username === '' ? amqp : management),
      'content-type': 'application/json',
    },
    ...change,
    signal: AbortSignal.timeout(timeoutMs),
  };
  try {
    const response = await (caFile === undefined ? fetch(url, options) : fetchWithAuthorities(url, caFile, options));
    return { status: response.status, body: parse(await response.text()), place, virtualHost: virtualHostOf(amqp) };
  } catch (thrown) {
    // Only the cause of a failed fetch says what went wrong.
    const cause = thrown instanceof TypeError && thrown.cause !== undefined ? thrown.cause : thrown;
    const server = `RabbitMQ's management API at ${place}`;
    const setting = 'RABBITMQ_MANAGEMENT_URL';
    const error = explainUntrusted(cause, { server, setting, caSetting: 'AMQP_CA_FILE' });
    if (error instanceof UntrustedCertificate) throw error;
    throw new Error(
      `${server} does not answer: ${errorMessage(error)}. ` +
        'Enable the plugin rabbitmq_management, or say with --management-url where it is.',
      { cause: thrown },
    );
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function explain({ status, body, place, virtualHost }: Answer): string {
  const reason = refusal.safeParse(body).data?.reason;
  if (status === 401 && reason !== undefined) {
    const tag = reason.includes('administrator') ? 'administrator' : 'management';
    return (
      `RabbitMQ's management API at ${place} refuses the user for the virtual host ${virtualHost}: ${reason}. ` +
      `Check its password, or give a user with the tag ${tag} that may use it: RABBITMQ_MANAGEMENT_URL=http://user:password@host:port`
    );
  }
  if (status === 404 && reason !== undefined) {
    return (
      `RabbitMQ's management API at ${place} knows no virtual host ${virtualHost} that this user may see. Create it, let ` +
      'the user in, correct the path of AMQP_URL, or name the management API of the same server with --management-url.'
    );
  }
  if (status >= 500) {
    const detail = reason === undefined ? '' : `: ${reason}`;
    return (
      `What answers at ${place} failed (HTTP status ${status}${detail}). If it is RabbitMQ, its log says why, and it may still be starting: try again. ` +
      'Otherwise say with --management-url where the management API of RabbitMQ is.'
    );
  }
  if (reason !== undefined) return `RabbitMQ's management API at ${place} refuses it: ${reason}.`;
  return (
    `What answers at ${place} is no management API of RabbitMQ (HTTP status ${status}). ` +
    'Say with --management-url where it is.'
  );
}

function defaultManagementUrl({ protocol, hostname }: URL): string {
  const host = hostname === '' ? 'localhost' : hostname;
  return protocol === 'amqps:' ? `https://${host}:15671` : `http://${host}:15672`;
}

/** As with AMQP, the user is `guest` if the URL names none. */
function basic({ username, password }: URL): string {
  const login = username === '' && password === '' ? ['guest', 'guest'] : [username, password];
  return `Basic ${Buffer.from(login.map(decodeURIComponent).join(':')).toString('base64')}`;
}
