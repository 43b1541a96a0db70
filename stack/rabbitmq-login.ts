import { connect } from 'amqplib';

export interface RabbitmqLogin {
  user: string;
  password: string;
}

interface OwnLoginOptions extends RabbitmqLogin {
  port: number;
  managementUrl: string;
}

/** Administrator of a broker that the project runs. New data is made with this account. */
export const administrator = 'instance-engine';

/**
 * Makes the login the only one that is known from the outset: data of an earlier release has `guest` with the password `guest`
 * instead, which makes the login and is then removed.
 *
 * @returns the URL of the virtual host `/`
 * @throws Error as long as the broker does not answer
 */
export async function ensureOwnLogin({ user, password, port, managementUrl }: OwnLoginOptions): Promise<string> {
  const url = `amqp://${user}:${password}@127.0.0.1:${port}`;
  const own = { user, password };
  const isOwn = await accepts(url);
  if (!isOwn) {
    const guest = { user: 'guest', password: 'guest' };
    await request(managementUrl, guest, 'PUT', `users/${user}`, { password, tags: 'administrator' });
    const everything = { configure: '.*', write: '.*', read: '.*' };
    await request(managementUrl, guest, 'PUT', `permissions/%2F/${user}`, everything);
  }
  await request(managementUrl, own, 'DELETE', 'users/guest');
  return url;
}

async function accepts(url: string): Promise<boolean> {
  try {
    await (await connect(url)).close();
    return true;
  } catch (error) {
    if (/ACCESS[_-]REFUSED/.test(String(error))) return false;
    throw error;
  }
}

/** https://www.rabbitmq.com/docs/management#http-api */
async function request(
  managementUrl: string,
  { user, password }: RabbitmqLogin,
  method: 'PUT' | 'DELETE',
  path: string,
  body?: object,
): Promise<void> {
  const { status } = await fetch(`${managementUrl}/api/${path}`, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
      'content-type': 'application/json',
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const isDone = status < 300 || (method === 'DELETE' && status === 404);
  if (!isDone) throw new Error(`RabbitMQ's management API answers ${method} ${path} with the HTTP status ${status}`);
}
