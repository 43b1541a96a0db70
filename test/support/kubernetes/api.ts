import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { stackRoot, toolsDirectory } from '../../../stack/paths.ts';
import { endRecorded } from '../../../stack/process-reference.ts';
import { runServer } from '../../../stack/server.ts';
import { openAuthority } from '../certificates.ts';
import { freePorts } from './free-ports.ts';

/** An API server of Kubernetes and a login there. Certificates and keys are in PEM form. */
export interface KubernetesApi {
  server: string;
  /** It was started for the tests: it has no controllers and no nodes, so that nothing but a test changes an object. */
  isOwn: boolean;
  ca?: string | undefined;
  token?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
}

/**
 * The API server of `KUBECONFIG`, else one that is started here from the programs in `.stack/bin`.
 *
 * @throws Error that says what to do when there is neither
 */
export async function chartApi(): Promise<{ connection: KubernetesApi; stop: () => Promise<void> }> {
  const given = process.env['KUBECONFIG'];
  if (given !== undefined) return { connection: readKubeconfig(given), stop: async () => {} };
  const missing = ['etcd', 'kube-apiserver'].filter((name) => !existsSync(join(toolsDirectory, name)));
  if (missing.length > 0) {
    throw new Error(`set KUBECONFIG to a file with a login, or put ${missing.join(' and ')} into ${toolsDirectory}`);
  }
  return startApi();
}

interface Answer {
  message?: string;
  /** The objects of a list. */
  items?: unknown[];
}

/** Calls the API with a body as JSON, of which YAML is a superset. */
export function callApi(
  { server, token, ca, cert, key }: KubernetesApi,
  { method, path, body }: { method: string; path: string; body?: unknown },
): Promise<{ status: number; answer: Answer }> {
  return new Promise((done, fail) => {
    const contentType = method === 'PATCH' ? 'application/apply-patch+yaml' : 'application/json';
    const headers = { 'content-type': contentType, ...(token !== undefined && { authorization: `Bearer ${token}` }) };
    const call = request(new URL(path, server), { method, headers, ca, cert, key }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('error', fail);
      response.on('end', () => done({ status: response.statusCode ?? 0, answer: readAnswer(text) }));
    });
    call.on('error', fail);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function readAnswer(text: string): Answer {
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return { message: text };
  }
}

async function startApi(): Promise<{ connection: KubernetesApi; stop: () => Promise<void> }> {
  const directory = join(stackRoot, 'kubernetes-chart');
  const folders = { etcd: join(directory, 'etcd'), api: join(directory, 'kube-apiserver') };
  // Ends also what an earlier run has left.
  const stop = async (): Promise<void> => {
    for (const folder of [folders.api, folders.etcd]) await endRecorded(join(folder, 'process.json'));
    rmSync(directory, { recursive: true, force: true });
  };
  await stop();
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = (name: string, content: string | Buffer): string => {
    writeFileSync(join(directory, name), content, { mode: 0o600 });
    return join(directory, name);
  };
  using authority = openAuthority();
  const ca = readFileSync(authority.caFile, 'utf8');
  const { cert, key } = authority.sign();
  const token = randomBytes(24).toString('hex');
  const accounts = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const accountsFile = file('accounts.key', accounts.export({ type: 'pkcs8', format: 'pem' }));
  const [etcdPort = 0, peerPort = 0, apiPort = 0] = await freePorts(3);
  const etcd = `http://127.0.0.1:${etcdPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const connection = { server: `https://127.0.0.1:${apiPort}`, isOwn: true, ca, token };
  const flags = (given: Record<string, string>): string[] =>
    Object.entries(given).map(([flag, value]) => `--${flag}=${value}`);
  try {
    await runServer({
      name: 'etcd',
      folder: folders.etcd,
      command: join(toolsDirectory, 'etcd'),
      args: flags({
        name: 'default',
        'data-dir': join(directory, 'data'),
        'listen-client-urls': etcd,
        'advertise-client-urls': etcd,
        'listen-peer-urls': peer,
        'initial-advertise-peer-urls': peer,
        'initial-cluster': `default=${peer}`,
        'log-level': 'warn',
      }),
      probe: async () => {
        if (!(await fetch(`${etcd}/health`)).ok) throw new Error('etcd is not healthy yet');
      },
    });
    await runServer({
      name: 'kube-apiserver',
      folder: folders.api,
      command: join(toolsDirectory, 'kube-apiserver'),
      args: flags({
        'etcd-servers': etcd,
        'bind-address': '127.0.0.1',
        'secure-port': String(apiPort),
        'cert-dir': join(directory, 'certificates'),
        'tls-cert-file': file('api.pem', cert),
        'tls-private-key-file': file('api.key', key),
        'token-auth-file': file('tokens.csv', `${token},admin,admin,system:masters\n`),
        'authorization-mode': 'RBAC',
        'service-account-issuer': 'https://kubernetes.default.svc',
        'service-account-key-file': accountsFile,
        'service-account-signing-key-file': accountsFile,
        'service-cluster-ip-range': '10.96.0.0/24',
        'endpoint-reconciler-type': 'none',
      }),
      probe: async () => {
        const { status } = await callApi(connection, { method: 'GET', path: '/api/v1/namespaces/default' });
        if (status !== 200) throw new Error(`the API server answers ${status}`);
      },
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { connection, stop };
}

const pem = z.string().transform((text) => Buffer.from(text, 'base64').toString('utf8'));
const kubeconfig = z.object({
  'current-context': z.string(),
  contexts: z.array(z.object({ name: z.string(), context: z.object({ cluster: z.string(), user: z.string() }) })),
  clusters: z.array(
    z.object({
      name: z.string(),
      cluster: z.object({
        server: z.string(),
        'certificate-authority': z.string().optional(),
        'certificate-authority-data': pem.optional(),
      }),
    }),
  ),
  users: z.array(
    z.object({
      name: z.string(),
      user: z.object({
        token: z.string().optional(),
        'client-certificate': z.string().optional(),
        'client-certificate-data': pem.optional(),
        'client-key': z.string().optional(),
        'client-key-data': pem.optional(),
      }),
    }),
  ),
});

/** @throws Error when its current context logs in by other means than a token or a certificate */
function readKubeconfig(path: string): KubernetesApi {
  const config = kubeconfig.parse(parse(readFileSync(path, 'utf8')));
  const context = config.contexts.find(({ name }) => name === config['current-context'])?.context;
  const cluster = config.clusters.find(({ name }) => name === context?.cluster)?.cluster;
  const user = config.users.find(({ name }) => name === context?.user)?.user;
  if (!cluster || !user) throw new Error(`${path} has no current context with a cluster and a user`);
  const read = (data: string | undefined, file: string | undefined): string | undefined =>
    data ?? (file === undefined ? undefined : readFileSync(resolve(path, '..', file), 'utf8'));
  const cert = read(user['client-certificate-data'], user['client-certificate']);
  if (user.token === undefined && cert === undefined) {
    throw new Error(`the user of ${path} has neither a token nor a certificate`);
  }
  return {
    server: cluster.server,
    isOwn: false,
    ca: read(cluster['certificate-authority-data'], cluster['certificate-authority']),
    token: user.token,
    cert,
    key: read(user['client-key-data'], user['client-key']),
  };
}
