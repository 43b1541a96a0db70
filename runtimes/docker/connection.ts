import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import Docker from 'dockerode';

/**
 * docker-modem follows redirects, and its second request has no error listener, so a failure of that request would end this
 * process. Node's own clients follow no redirects; the answer then fails like any other that is not expected.
 */
const libraryRequire = createRequire(createRequire(import.meta.url).resolve('dockerode'));
Object.assign(libraryRequire('docker-modem/lib/http') as object, { http, https });

export interface EngineAddress {
  /** `unix:///var/run/docker.sock`, `npipe:////./pipe/docker_engine`, `tcp://host:port` or `https://host:port`. */
  host: string;
  /** A folder with `ca.pem`, `cert.pem` and `key.pem`, as for the docker command line. Turns TLS on. */
  certificatesDirectory?: string | undefined;
}

/** Passes every option explicitly, because the library falls back to variables of the environment. */
export function connect({ host, certificatesDirectory }: EngineAddress): Docker {
  const none = { host: undefined, port: undefined, ca: undefined, cert: undefined, key: undefined, timeout: undefined };
  const [, socketPath] = /^(?:unix|npipe):\/\/(.+)$/.exec(host) ?? [];
  if (socketPath !== undefined) return new Docker({ ...none, protocol: 'http', socketPath });
  const url = new URL(host);
  const tls = certificatesDirectory !== undefined || url.protocol === 'https:';
  const read = (name: string): Buffer | undefined =>
    certificatesDirectory === undefined ? undefined : readFileSync(join(certificatesDirectory, name));
  return new Docker({
    ...none,
    protocol: tls ? 'https' : 'http',
    host: url.hostname,
    port: url.port || (tls ? 2376 : 2375),
    ca: read('ca.pem'),
    cert: read('cert.pem'),
    key: read('key.pem'),
  });
}
