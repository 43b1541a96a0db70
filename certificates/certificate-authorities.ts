import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

interface Place {
  /** Variables with addresses of the server. */
  addresses: readonly string[];
  /** Where the driver finds the file in such an address. */
  parameter: string;
  /** What a connection with TLS has besides. */
  further?: Readonly<Record<string, string>>;
  /** Whether TLS is spoken at that address. */
  isEncrypted: (url: URL) => boolean;
  /** How an address with TLS begins, or what it may not have. */
  advice: string;
}

const beginsWith =
  (...protocols: string[]) =>
  ({ protocol }: URL) =>
    protocols.includes(protocol);

/** By the variable with the CAs of a server. They then are part of its addresses, so that they go wherever those go. */
const places: Readonly<Record<string, Place>> = {
  // https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-SSLROOTCERT
  DATABASE_CA_FILE: {
    addresses: ['DATABASE_URL', 'DATABASE_DIRECT_URL'],
    parameter: 'sslrootcert',
    further: { sslmode: 'verify-full' },
    isEncrypted: (url) => [null, 'verify-full', 'verify-ca', 'require'].includes(url.searchParams.get('sslmode')),
    advice: 'its sslmode is none that checks certificates: leave it out',
  },
  // https://www.rabbitmq.com/docs/uri-query-parameters
  AMQP_CA_FILE: {
    addresses: ['AMQP_URL', 'RABBITMQ_MANAGEMENT_URL'],
    parameter: 'cacertfile',
    isEncrypted: beginsWith('amqps:', 'https:'),
    advice: 'without TLS nothing is checked: begin it with amqps:',
  },
};

/** Files of the SDK, which would say of one that is missing nothing but its name. */
const temporalFiles = ['TEMPORAL_TLS_SERVER_CA_CERT_PATH', 'TEMPORAL_TLS_CLIENT_CERT_PATH'];
const keyServer = { address: 'JWT_JWKS_URL', file: 'JWT_JWKS_CA_FILE' };

/** Puts the CAs of servers into the addresses of those, and checks every file of certificates that is named. */
export function withCertificateAuthorities(given: Readonly<Record<string, string>>): {
  environment: Record<string, string>;
  problems: string[];
} {
  const environment = { ...given };
  const problems: string[] = [];
  const check = (name: string, file: string | undefined): void => {
    const problem = file === undefined ? undefined : findProblem(file);
    if (problem !== undefined) problems.push(`${name} ${problem}`);
  };
  for (const [variable, { addresses, parameter, further = {}, isEncrypted, advice }] of Object.entries(places)) {
    const file = given[variable];
    check(variable, file);
    const urls = addresses.flatMap((name) => {
      const text = given[name];
      return text !== undefined && URL.canParse(text) ? [{ name, url: new URL(text) }] : [];
    });
    for (const { name, url } of urls) {
      if (file === undefined) check(`${name}, in its ${parameter},`, url.searchParams.get(parameter) ?? undefined);
      else if (isEncrypted(url)) {
        for (const [key, value] of Object.entries({ ...further, [parameter]: file })) url.searchParams.set(key, value);
        environment[name] = url.href;
      }
    }
    const plain = urls.filter(({ url }) => !isEncrypted(url));
    if (file !== undefined && plain.length > 0 && plain.length === urls.length) {
      problems.push(`${variable} is of no use with ${plain.map(({ name }) => name).join(' and ')}: ${advice}`);
    }
  }
  for (const variable of temporalFiles) check(variable, given[variable]);
  check(keyServer.file, given[keyServer.file]);
  if (given[keyServer.file] !== undefined && given[keyServer.address]?.startsWith('http:')) {
    problems.push(`${keyServer.file} is of no use with ${keyServer.address}: begin that with https:`);
  }
  return { environment, problems };
}

const pemBlock = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** What is wrong with a file of certificates, as the end of a sentence about the variable that names it. */
function findProblem(file: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return `names the file ${file}, which cannot be read (${(error as NodeJS.ErrnoException).code})`;
  }
  try {
    const blocks = text.match(pemBlock) ?? [];
    for (const block of blocks) void new X509Certificate(block);
    if (blocks.length > 0) return undefined;
  } catch {
    // Said below.
  }
  return `names the file ${file}, which holds no certificates in PEM form (-----BEGIN CERTIFICATE-----)`;
}
