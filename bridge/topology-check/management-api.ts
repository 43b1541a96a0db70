import { z } from 'zod';
import { virtualHostOf } from '../amqp.ts';
import { describe } from '../supervise.ts';

export interface ManagementOptions {
  /** Names the virtual host and, unless the management URL does, the user. */
  amqpUrl: string;
  /** The AMQP URL's host with port 15672, or with 15671 over TLS, by default. May hold user and password. */
  managementUrl?: string | undefined;
  timeoutMs?: number;
}

const refusal = z.object({ reason: z.string() });

/**
 * What the HTTP API of RabbitMQ's management plugin (https://www.rabbitmq.com/docs/management#http-api) lists of a virtual
 * host, of every entry the columns of the schema.
 *
 * @throws Error that says which option to give
 */
export async function listOf<Shape extends z.ZodRawShape>(
  { amqpUrl, managementUrl, timeoutMs = 10_000 }: ManagementOptions,
  kind: 'exchanges' | 'queues' | 'bindings',
  entry: z.ZodObject<Shape>,
): Promise<z.output<z.ZodObject<Shape>>[]> {
  const amqp = new URL(amqpUrl);
  const management = new URL(managementUrl ?? defaultManagementUrl(amqp));
  const place = `${management.origin}${management.pathname.replace(/\/$/, '')}`;
  const virtualHost = virtualHostOf(amqp);
  // With statistics, the list of queues would come from a cache.
  const query = `disable_stats=true&columns=${Object.keys(entry.shape).join(',')}`;
  const { status, body } = await get(`${place}/api/${kind}/${encodeURIComponent(virtualHost)}?${query}`, {
    headers: { authorization: basic(management.username === '' ? amqp : management) },
    signal: AbortSignal.timeout(timeoutMs),
  }).catch((error: unknown) => {
    throw new Error(
      `RabbitMQ's management API at ${place} does not answer: ${describe(error)}. ` +
        'Enable the plugin rabbitmq_management, or say with --management-url where it is.',
      { cause: error },
    );
  });
  const entries = z.array(entry).safeParse(body);
  if (status === 200 && entries.success) return entries.data;
  throw new Error(explain({ status, reason: refusal.safeParse(body).data?.reason, place, virtualHost }));
}

async function get(url: string, options: RequestInit): Promise<{ status: number; body: unknown }> {
  try {
    const response = await fetch(url, options);
    const text = await response.text();
    return { status: response.status, body: parse(text) };
  } catch (error) {
    // `fetch failed` says nothing, its cause does.
    throw error instanceof TypeError && error.cause !== undefined ? error.cause : error;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

interface Refusal {
  status: number;
  reason: string | undefined;
  place: string;
  virtualHost: string;
}

function explain({ status, reason, place, virtualHost }: Refusal): string {
  if (status === 401 && reason !== undefined) {
    return (
      `RabbitMQ's management API at ${place} refuses the user for the virtual host ${virtualHost}: ${reason}. ` +
      'Give one with the tag management that may use it: --management-url http://user:password@host:port'
    );
  }
  if (status === 404 && reason !== undefined) {
    return (
      `RabbitMQ's management API at ${place} knows no virtual host ${virtualHost}. Create it, correct the path of ` +
      '--amqp-url, or name the management API of the same server with --management-url.'
    );
  }
  return (
    `What answers at ${place} is no management API of RabbitMQ, or not ready (HTTP status ${status}). ` +
    'Say with --management-url where it is, or try again when RabbitMQ has started.'
  );
}

function defaultManagementUrl({ protocol, hostname }: URL): string {
  const host = hostname === '' ? 'localhost' : hostname;
  return protocol === 'amqps:' ? `https://${host}:15671` : `http://${host}:15672`;
}

/** `guest` when the URL names nobody, as with AMQP. */
function basic({ username, password }: URL): string {
  const login = username === '' && password === '' ? ['guest', 'guest'] : [username, password];
  return `Basic ${Buffer.from(login.map(decodeURIComponent).join(':')).toString('base64')}`;
}
