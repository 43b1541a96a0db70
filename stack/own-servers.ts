import { connectAmqp, connectToAny } from '../bridge/bus/connection.ts';
import { createClient } from '../database/engine-client.ts';
import { commandLineLimits } from '../database/time-limits.ts';
import { explainUntrusted, UntrustedCertificate } from '../certificates/untrusted-certificate.ts';
import { errorMessage } from '../supervision/errors.ts';

/** A server of the user's own. It has no password file, because its user keeps the password. */
interface OwnServer {
  url: string;
  managementUrl?: string | undefined;
  passwordFile?: undefined;
}

/** Rejects when the user's own database does not answer. The error never shows the password. */
export async function checkDatabase(url: string): Promise<OwnServer> {
  const client = createClient({ connectionString: url, connectionTimeoutMillis: 10_000 }, commandLineLimits.session);
  try {
    await client.connect();
    await client.query('select 1');
    return { url };
  } catch (error) {
    throw noAnswer('DATABASE_URL', url, error);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Rejects when the user's own broker does not answer. The error never shows the password. */
export async function checkAmqp(url: string, managementUrl?: string): Promise<OwnServer> {
  try {
    await (await connectToAny(url, (node) => connectAmqp(node.href, { timeout: 10_000 }))).close();
  } catch (error) {
    throw noAnswer('AMQP_URL', url, error);
  }
  return { url, managementUrl };
}

function noAnswer(variable: string, url: string, cause: unknown): Error {
  const place = URL.canParse(url) ? new URL(url).host : 'an address that is not a URL';
  const caSetting = variable.replace('_URL', '_CA_FILE');
  const explained = explainUntrusted(cause, { server: `The server at ${place}`, setting: variable, caSetting });
  if (explained instanceof UntrustedCertificate) return explained;
  return new Error(
    `${variable} names ${place}, where no connection could be made: ${errorMessage(cause)}\n` +
      `Start that server or correct ${variable}; without ${variable} the project runs a server of its own.`,
    { cause },
  );
}
