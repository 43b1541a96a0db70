import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import {
  createTokenVerifier,
  InvalidToken,
  KeysUnavailable,
  type TokenSettings,
} from '../../../backends/http/tokens.ts';
import { createTestServer } from '../../support/http-server.ts';
import { openKeyServer, signWith, signWithPublicKey } from '../../support/key-server.ts';
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
