import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type CryptoKey } from 'jose';

interface SigningKey {
  id: string;
  algorithm: string;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
}

interface PublishedKey extends SigningKey {
  named: boolean;
}

/** An issuer of tokens that publishes its keys over HTTP (RFC 7517). */
export async function openKeyServer() {
  const published: PublishedKey[] = [];
  let answer: 'keys' | 'error' | 'nonsense' = 'keys';
  let requests = 0;
  const read = async (): Promise<string> => {
    const keys = published.map(async ({ id, algorithm, publicKey, named }) => ({
      ...(await exportJWK(publicKey)),
      ...(named && { kid: id }),
      alg: algorithm,
      use: 'sig',
    }));
    return JSON.stringify({ keys: await Promise.all(keys) });
  };
  const server = createServer((_, response) => {
    requests += 1;
    response.writeHead(answer === 'error' ? 500 : 200, { 'content-type': 'application/json' });
    if (answer === 'keys') void read().then((keys) => response.end(keys));
    else response.end('no keys');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`,
    requests: () => requests,
    answerWith: (what: typeof answer) => void (answer = what),
    /** Takes the place of all keys before it. */
    rotate: async (id: string, algorithm = 'ES256'): Promise<SigningKey> => {
      const key = { id, algorithm, ...(await generateKeyPair(algorithm, { extractable: true })) };
      published.splice(0, published.length, { ...key, named: true });
      return key;
    },
    /** Stands beside the keys before it; `named: false` publishes it without its id. */
    add: async (id: string, { algorithm = 'ES256', named = true } = {}): Promise<SigningKey> => {
      const key = { id, algorithm, ...(await generateKeyPair(algorithm, { extractable: true })) };
      published.push({ ...key, named });
      return key;
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function signWith({ id, algorithm, privateKey }: SigningKey, userId: string): Promise<string> {
  return claims(userId).setProtectedHeader({ alg: algorithm, kid: id }).sign(privateKey);
}

/** A token that does not say by which key it was signed. */
export function signUnnamed({ algorithm, privateKey }: SigningKey, userId: string): Promise<string> {
  return claims(userId).setProtectedHeader({ alg: algorithm }).sign(privateKey);
}

/** What an attacker makes of a public key: a secret for HS256. */
export async function signWithPublicKey({ id, publicKey }: SigningKey, userId: string): Promise<string> {
  const secret = new TextEncoder().encode(await exportSPKI(publicKey));
  return claims(userId).setProtectedHeader({ alg: 'HS256', kid: id }).sign(secret);
}

function claims(userId: string): SignJWT {
  return new SignJWT({}).setSubject(userId).setAudience('instance-engine').setExpirationTime('1 h');
}
