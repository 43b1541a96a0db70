import { connect } from 'amqplib';
import { remove } from '../bridge/topology-check/management-api.ts';
import { putPermissions, putUser } from '../bridge/topology-check/set-account.ts';

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
  const urlOf = (login: string): string => `amqp://${login}@127.0.0.1:${port}`;
  const url = urlOf(`${user}:${password}`);
  if (!(await accepts(url))) {
    const asGuest = { amqpUrl: urlOf('guest:guest'), managementUrl };
    await putUser(asGuest, user, password, 'administrator');
    await putPermissions(asGuest, user, { configure: '.*', write: '.*', read: '.*' });
  }
  await remove({ amqpUrl: url, managementUrl }, 'users/guest');
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
