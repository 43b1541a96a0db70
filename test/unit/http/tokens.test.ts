import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import {
  createTokenVerifier,
  InvalidToken,
  KeysUnavailable,
  type TokenSettings,
} from '../../../backends/http/tokens.ts';
import { hasOpenssl, openAuthority } from '../../support/certificates.ts';
import { createTestServer } from '../../support/http-server.ts';
import { openKeyServer, signUnnamed, signWith, signWithPublicKey } from '../../support/key-server.ts';
import { openTlsProxy } from '../../support/tls-proxy.ts';
import { signToken, tokenSettings } from '../../support/tokens.ts';

const userId = randomUUID();
const audience = 'instance-engine';
const verifierOf = (settings: Partial<TokenSettings> = {}) =>
  createTokenVerifier({ key: { secret: tokenSettings.JWT_SECRET }, issuer: undefined, audience, ...settings });
const sign = (claims: Record<string, unknown>, header: { alg: string } = { alg: 'HS256' }) =>
  new SignJWT({ sub: userId, aud: audience, exp: Math.floor(Date.now() / 1000) + 60, ...claims })
    .setProtectedHeader(header)
    .sign(new TextEncoder().encode(tokenSettings.JWT_SECRET));
const unsigned = (claims: object): string =>
  [{ alg: 'none' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.') + '.';

afterEach(() => void vi.useRealTimers());

const keyServer = async () => {
  const server = await openKeyServer();
  onTestFinished(() => server.close());
  return { ...server, verify: verifierOf({ key: { jwksUrl: server.url } }) };
};

/** An issuer that is not asked for keys. */
const openStranger = async () => {
  const server = await openKeyServer();
  onTestFinished(() => server.close());
  return server;
};

test('a token says who calls, whether as an admin, and until when', async () => {
  const verify = verifierOf();
  expect(await verify(await signToken({ userId: userId.toUpperCase(), roles: ['admin', 'other'] }))).toEqual({
    userId,
    isAdmin: true,
    expiresAt: expect.any(Date),
  });
  expect(await verify(await sign({ roles: undefined, aud: ['other', audience] }))).toMatchObject({ isAdmin: false });
});

test.each<[what: string, token: () => Promise<string> | string, why: RegExp]>([
  ['garbage', () => 'garbage', /not valid/],
  ['three parts of garbage', () => 'a.b.c', /not valid/],
  ['an expired token', () => sign({ exp: Math.floor(Date.now() / 1000) - 60 }), /has expired/],
  ['a token without an end', () => sign({ exp: undefined }), /"exp"/],
  ['a token that is not valid yet', () => sign({ nbf: Math.floor(Date.now() / 1000) + 60 }), /"nbf"/],
  ['another secret', () => signToken({ userId, secret: 'another-secret-0123456789-abcdefgh' }), /signature/],
  ['another audience', () => sign({ aud: 'other' }), /"aud"/],
  ['no audience', () => sign({ aud: undefined }), /"aud"/],
  ['no subject', () => sign({ sub: undefined }), /"sub"/],
  ['a subject that is no UUID', () => sign({ sub: 'ada' }), /UUID/],
  ['roles that are no list', () => sign({ roles: 'admin' }), /roles/],
  ['no signature', () => unsigned({ sub: userId, aud: audience, exp: 4_000_000_000, roles: ['admin'] }), /not valid/],
  ['another algorithm of secrets', () => sign({}, { alg: 'HS512' }), /"alg"/],
])('%s is refused', async (_what, token, why) => {
  await expect(verifierOf()(await token())).rejects.toSatisfy(
    (error) => error instanceof InvalidToken && why.test(error.message),
  );
});

test.each<[what: string, claims: Record<string, unknown>]>([
  ['an end that no Date can hold', { exp: 1e15 }],
  ['an end of more digits than a number has', { exp: 1e300 }],
  ['an end in milliseconds', { exp: 4_102_444_800_000 }],
  ['the first second of the year 10000', { exp: 253_402_300_800 }],
  ['a negative end', { exp: -1 }],
  ['an end before every Date', { exp: -1e300 }],
  ['an end that is text', { exp: '4000000000' }],
  ['an end that is null', { exp: null }],
  ['an end in a list', { exp: [4_000_000_000] }],
  ['a beginning that no Date can hold', { nbf: 1e15 }],
  ['a beginning that is text', { nbf: 'now' }],
  ['a time of issue that is text', { iat: 'now' }],
  ['a subject that is a number', { sub: 1 }],
  ['a subject that is a list', { sub: [userId] }],
  ['a subject with more behind it', { sub: `${userId}\n` }],
  ['roles that are an object', { roles: { admin: true } }],
  ['roles of other things than text', { roles: [1] }],
  ['an audience that is an object', { aud: { [audience]: true } }],
])('a token with %s is 401, and no fault of the server', async (_what, claims) => {
  const app = await createTestServer();
  const headers = { authorization: `Bearer ${await sign(claims)}` };
  expect((await app.inject({ url: '/me', headers })).json()).toMatchObject({ status: 401, code: 'invalid_token' });
});

test.each([253_402_300_799, 4_000_000_000.5])('a token may be good until %s', async (exp) => {
  const { expiresAt } = await verifierOf()(await sign({ exp }));
  expect(expiresAt.toISOString()).toMatch(/^\d{4}-/);
});

test('what only looks like a token is refused by a secret and by published keys, as the fault of its sender', async () => {
  const { rotate, add, verify } = await keyServer();
  await rotate('first');
  await add('second', { algorithm: 'RS256' });
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = part({ sub: userId, aud: audience, exp: 4_000_000_000 });
  const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;
  const headers = [
    { alg: 'none' },
    { alg: 'ES256', kid: 1 },
    { alg: 'ES256', kid: { a: 1 } },
    { alg: ['ES256'] },
    { alg: 1 },
    { alg: 'ES256', crit: ['exp'] },
    { alg: 'ES256', b64: false, crit: ['b64'] },
    { alg: 'ES256', jwk: {} },
    { alg: 'HS256', kid: 'first' },
    { alg: 'ES512', kid: 'first' },
    { alg: 'dir', enc: 'A256GCM' },
    {},
    [],
    null,
    'x',
  ];
  const tokens = [
    ...headers.flatMap((header) => [`${part(header)}.${claims}.AAAA`, `${part(header)}.${claims}.`]),
    `${part({ alg: 'ES256' })}.${Buffer.from(deep).toString('base64url')}.AAAA`,
    `${part({ alg: 'ES256' })}.${Buffer.from('{').toString('base64url')}.AAAA`,
    `${Buffer.from(deep).toString('base64url')}.${claims}.AAAA`,
    '..',
    '....',
    'ä.ä.ä',
    `${part({ alg: 'ES256' })}.${claims}.${'A'.repeat(10_000)}`,
  ];
  for (const token of tokens) {
    for (const check of [verifierOf(), verify]) {
      await expect(check(token)).rejects.toBeInstanceOf(InvalidToken);
    }
  }
});

test('where an issuer is set, tokens of others are refused', async () => {
  const verify = verifierOf({ issuer: 'https://login.example.com' });
  expect(await verify(await sign({ iss: 'https://login.example.com' }))).toMatchObject({ userId });
  for (const iss of ['https://evil.example.com', undefined]) {
    await expect(verify(await sign({ iss }))).rejects.toThrow(/"iss"/);
  }
});

test.each(['ES256', 'RS256', 'PS256', 'EdDSA'])('with published keys, tokens are checked by %s', async (algorithm) => {
  const { rotate, verify, requests } = await keyServer();
  const key = await rotate('first', algorithm);
  expect(await verify(await signWith(key, userId))).toMatchObject({ userId });
  await verify(await signWith(key, randomUUID()));
  expect(requests()).toBe(1);
});

test('a public key is never taken for a secret, nor a secret for one of the published keys', async () => {
  const { rotate, verify } = await keyServer();
  const key = await rotate('first', 'RS256');
  for (const token of [
    await signWithPublicKey(key, userId),
    await signToken({ userId }),
    unsigned({ sub: userId, aud: audience, exp: 4_000_000_000 }),
  ]) {
    await expect(verify(token)).rejects.toBeInstanceOf(InvalidToken);
  }
});

test.each([true, false])('a token that names no key is checked by each published one (named: %s)', async (named) => {
  const { add, verify } = await keyServer();
  const keys = [
    await add('first', { named }),
    await add('second', { named }),
    await add('third', { named, algorithm: 'RS256' }),
  ];
  const stranger = { ...(await (await openStranger()).add('first')), id: 'first' };
  for (const key of keys) expect(await verify(await signUnnamed(key, userId))).toMatchObject({ userId });
  await expect(verify(await signUnnamed(stranger, userId))).rejects.toBeInstanceOf(InvalidToken);
});

test('a token is checked by each key of the name that it gives', async () => {
  const { add, verify } = await keyServer();
  const keys = [await add('same'), await add('same')];
  for (const key of keys) expect(await verify(await signWith(key, userId))).toMatchObject({ userId });
});

test('a new key is looked for when a token names it, and one that was taken back counts no longer', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const { rotate, verify, requests } = await keyServer();
  const first = await rotate('first');
  await verify(await signWith(first, userId));
  const second = await rotate('second');
  vi.setSystemTime(Date.now() + 31_000);
  expect(await verify(await signWith(second, userId))).toMatchObject({ userId });
  await expect(verify(await signWith(first, userId))).rejects.toBeInstanceOf(InvalidToken);
  // Made-up names of keys must not become requests to the issuer.
  for (let count = 0; count < 5; count += 1) {
    await expect(verify(await signWith({ ...second, id: `made-up-${count}` }, userId))).rejects.toBeInstanceOf(
      InvalidToken,
    );
  }
  expect(requests()).toBe(2);
});

test('while the keys cannot be read nothing is known of a token, which is 503; then all is well again', async () => {
  const server = await keyServer();
  const key = await server.rotate('first');
  const token = await signWith(key, userId);
  const app = await createTestServer({ verifyToken: server.verify });
  const call = (headers = { authorization: `Bearer ${token}` }) => app.inject({ url: '/user', headers });
  for (const what of ['error', 'nonsense'] as const) {
    server.answerWith(what);
    await expect(server.verify(token)).rejects.toBeInstanceOf(KeysUnavailable);
    const answer = await call();
    expect(answer.json()).toMatchObject({ status: 503, code: 'keys_unavailable' });
    expect(answer.headers['retry-after']).toBe('5');
    expect((await app.inject({ url: '/public', headers: { authorization: `Bearer ${token}` } })).statusCode).toBe(200);
  }
  server.answerWith('keys');
  expect((await call()).statusCode).toBe(200);
});

test('a key server that is not there is 503, too', async () => {
  const server = await openKeyServer();
  const token = await signWith(await server.rotate('first'), userId);
  await server.close();
  await expect(verifierOf({ key: { jwksUrl: server.url } })(token)).rejects.toBeInstanceOf(KeysUnavailable);
});

test.skipIf(!hasOpenssl)(
  'keys come over https from a server whose certificate the named CA signed, and from no other',
  async () => {
    using authority = openAuthority();
    using stranger = openAuthority();
    const server = await keyServer();
    const key = await server.rotate('first');
    const token = await signWith(key, userId);
    await using proxy = await openTlsProxy({ ...authority.sign(), target: new URL(server.url).host });
    const jwksUrl = `https://127.0.0.1:${proxy.port}/jwks.json`;
    const verify = (caFile?: string) => verifierOf({ key: { jwksUrl, caFile } })(token);
    expect(await verify(authority.caFile)).toMatchObject({ userId });
    for (const caFile of [undefined, stranger.caFile]) {
      const error = await verify(caFile).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(KeysUnavailable);
      expect(String(error)).toMatch(/not trusted: .*JWT_JWKS_CA_FILE/);
    }
    await using elsewhere = await openTlsProxy({
      ...authority.sign('DNS:elsewhere.example.com'),
      target: new URL(server.url).host,
    });
    const moved = { jwksUrl: `https://127.0.0.1:${elsewhere.port}/jwks.json`, caFile: authority.caFile };
    await expect(verifierOf({ key: moved })(token)).rejects.toThrow(/for other names: .*JWT_JWKS_URL/);
  },
);
