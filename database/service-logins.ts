import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import pRetry from 'p-retry';
import { createClient } from './engine-client.ts';
import { migrationLimits } from './time-limits.ts';

export interface ServiceLoginOptions<Service extends string> {
  /** URL with a login that may change the roles. */
  databaseUrl: string;
  /** By the names of roles that the migrations made; the others stay as they are. */
  passwords: Readonly<Record<Service, string>>;
}

/**
 * Lets the roles of the migrations log in, each with that password from now on. May be repeated, also by several
 * processes at once. Roles are the server's, and so are their passwords.
 *
 * @returns the URL of the same database for each service
 * @throws Error naming the role and what to do
 */
export async function setServiceLogins<Service extends string>(
  options: ServiceLoginOptions<Service>,
): Promise<Record<Service, string>> {
  const { databaseUrl, passwords } = options;
  const logins = Object.entries<string>(passwords) as [Service, string][];
  const { connectMs: connectionTimeoutMillis, session } = migrationLimits;
  const client = createClient({ connectionString: databaseUrl, connectionTimeoutMillis }, session);
  await client.connect();
  try {
    for (const [service, password] of logins) {
      const statement = `alter role ${client.escapeIdentifier(service)} login password ${client.escapeLiteral(verifierOf(password))}`;
      await pRetry(() => client.query(statement).catch(explain(service)), {
        retries: 10,
        minTimeout: 20,
        maxTimeout: 500,
        randomize: true,
        shouldRetry: ({ error }) => (error as { code?: string }).code === internalError,
      });
    }
  } finally {
    await client.end();
  }
  const urls = logins.map(([service, password]) => [service, withLogin(databaseUrl, service, password)]);
  return Object.fromEntries(urls) as Record<Service, string>;
}

/** The verifier that PostgreSQL stores (RFC 5803, SCRAM-SHA-256). The server could log a password in plain text. */
export function verifierOf(password: string): string {
  const salt = randomBytes(16);
  const iterations = 4_096;
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const keyOf = (name: string): Buffer => createHmac('sha256', salted).update(name).digest();
  const storedKey = createHash('sha256').update(keyOf('Client Key')).digest('base64');
  const serverKey = keyOf('Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}

/** "tuple concurrently updated": somebody else changes the same role. */
const internalError = 'XX000';
const undefinedObject = '42704';
const insufficientPrivilege = '42501';

function explain(service: string) {
  return (error: Error & { code?: string }): never => {
    if (error.code === undefinedObject) {
      throw new Error(`The role ${service} is missing: npm run migrate creates it.`, { cause: error });
    }
    if (error.code === insufficientPrivilege) {
      const message = `This login may not set the password of the role ${service}: ${error.message}.`;
      throw new Error(`${message} Give the login of an administrator.`, { cause: error });
    }
    throw error;
  };
}

function withLogin(url: string, username: string, password: string): string {
  return Object.assign(new URL(url), { username, password }).href;
}
