import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A variable that names a file of certificate authorities (CAs) belongs to the addresses of one server. */
interface Server {
  /** Variables with the addresses of the server. */
  addresses: readonly string[];
  /** Query parameter of an address in which the driver expects the file. */
  parameter: string;
  /** Further query parameters for TLS. */
  further?: Readonly<Record<string, string>>;
  /** Whether a connection to this address uses TLS. */
  isEncrypted: (url: URL) => boolean;
  /** Says how to change an address so that it uses TLS. */
  advice: string;
}

const beginsWith =
  (...protocols: string[]) =>
  ({ protocol }: URL) =>
    protocols.includes(protocol);

/** Servers by the variable that names their CAs. The file becomes part of the addresses, so that it is passed on with them. */
const servers: Readonly<Record<string, Server>> = {
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

/** Files that Temporal's SDK reads. They are checked here, because the error of the SDK gives only the name of a missing file. */
const temporalFiles = ['TEMPORAL_TLS_SERVER_CA_CERT_PATH', 'TEMPORAL_TLS_CLIENT_CERT_PATH'];
const keyServer = { address: 'JWT_JWKS_URL', file: 'JWT_JWKS_CA_FILE' };

/** Puts the CA files into the addresses of their servers, and checks every named file of certificates. */
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
  for (const [variable, { addresses, parameter, further = {}, isEncrypted, advice }] of Object.entries(servers)) {
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

/** The end of a sentence that begins with the name of the variable; undefined if the file is fine. */
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
    // Reported below.
  }
  return `names the file ${file}, which holds no certificates in PEM form (-----BEGIN CERTIFICATE-----)`;
}
