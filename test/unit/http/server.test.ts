import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { InjectOptions } from 'fastify';
import { expect, test } from 'vitest';
import { isUnavailable } from '../../../backends/http/is-unavailable.ts';
import { problem } from '../../../backends/http/problem.ts';
import { createTestServer } from '../../support/http-server.ts';
import { signToken } from '../../support/tokens.ts';

const origin = 'https://app.example.com';

const bearer = async (options: Partial<Parameters<typeof signToken>[0]> = {}) => ({
  authorization: `Bearer ${await signToken({ userId: randomUUID(), ...options })}`,
});
const post = async (payload: string | Buffer, headers: Record<string, string> = {}) => ({
  method: 'POST' as const,
  url: '/things/1',
  headers: { 'content-type': 'application/json', ...(await bearer()), ...headers },
  payload,
});

test.each([
  ['malformed JSON', '{"name":', 400, 'invalid_json_body'],
  ['no JSON at all', 'name=x', 400, 'invalid_json_body'],
  ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22]), 400, 'invalid_json_body'],
  ['no body', '', 400, 'invalid_request'],
  ['JSON of another form', '{"name": 1, "other": 2}', 400, 'invalid_request'],
  ['a member that nobody asked for', '{"name": "x", "__proto__": {}}', 400, 'invalid_request'],
  ['JSON that is no object', '[]', 400, 'invalid_request'],
  ['more than the limit', `{"name": "${'x'.repeat(2_000)}"}`, 413, 'body_too_large'],
  ['a number of many digits', '{"name": "x", "config": {"a": 1e1000}}', 413, 'body_too_large'],
  ['a number of many places', '{"name": "x", "config": {"a": [0e-990, 1]}}', 413, 'body_too_large'],
  [
    'an exponent that is a number itself',
    '{"name": "x", "config": {"a": -1E+99999999999999999999}}',
    413,
    'body_too_large',
  ],
  ['many numbers of some digits', `{"name": "x", "config": [${'1.5e308,'.repeat(3)}1e300]}`, 413, 'body_too_large'],
])('a body with %s is a problem', async (_case, payload, status, code) => {
  const app = await createTestServer({ bodyLimitBytes: 1_000 });
  const answer = await app.inject(await post(payload));
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json;/);
  expect(problem.parse(answer.json())).toMatchObject({ status, code });
  expect(answer.statusCode).toBe(status);
  expect(answer.body).not.toMatch(/node_modules|\.ts:/);
});

test('each fault of a request is named with its place', async () => {
  const app = await createTestServer();
  const answer = await app.inject(await post('{"name": 1, "other": 2}'));
  const { errors } = problem.parse(answer.json());
  expect(errors?.map(({ path }) => path).toSorted()).toEqual(['body', 'body.name']);
});

test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/xml'])(
  'a body of the kind %s is not read',
  async (type) => {
    const app = await createTestServer();
    const answer = await app.inject(await post('{"name": "x"}', { 'content-type': type }));
    expect(problem.parse(answer.json())).toMatchObject({ status: 415, code: 'invalid_media_type' });
  },
);

test.each(['gzip', 'x-gzip', 'deflate', 'br', 'zstd', 'compress', 'GZIP', 'gzip, br', 'identity, gzip', 'aes128gcm'])(
  'a body in the content coding %s is refused with what is accepted',
  async (coding) => {
    const app = await createTestServer();
    const answer = await app.inject(await post(gzipSync('{"name": "x"}'), { 'content-encoding': coding }));
    expect(problem.parse(answer.json())).toMatchObject({ status: 415, code: 'unsupported_content_encoding' });
    expect(answer.headers['accept-encoding']).toBe('identity');
  },
);

test.each(['identity', 'Identity', '', 'identity, identity'])('the content coding "%s" is none', async (coding) => {
  const app = await createTestServer();
  const answer = await app.inject(await post('{"name": "x"}', { 'content-encoding': coding }));
  expect(answer.statusCode).toBe(200);
});

test.each(['utf-8', 'UTF-8', '"utf-8"', 'us-ascii'])('JSON may name the charset %s', async (charset) => {
  const app = await createTestServer();
  const type = `application/json; charset=${charset}`;
  expect((await app.inject(await post('{"name": "x"}', { 'content-type': type }))).statusCode).toBe(200);
});

test.each(['utf-16', 'utf-16le', 'iso-8859-1', '"latin1"', 'utf-32', 'x'])(
  'JSON in the charset %s is refused, also where its bytes would pass',
  async (charset) => {
    const app = await createTestServer();
    const type = `application/json; version=1; Charset=${charset}`;
    const answer = await app.inject(await post('{"name": "x"}', { 'content-type': type }));
    expect(problem.parse(answer.json())).toMatchObject({ status: 415, code: 'unsupported_charset' });
  },
);

test('a byte order mark before JSON is passed over', async () => {
  const app = await createTestServer();
  const answer = await app.inject(await post('\uFEFF{"name": "x"}'));
  expect(answer.json()).toEqual({ name: 'x', text: '{"name": "x"}' });
});

test('a compressed body without a valid token is a matter of the token', async () => {
  const app = await createTestServer();
  const request = await post(gzipSync('{}'), { 'content-encoding': 'gzip', authorization: 'Bearer x' });
  expect((await app.inject(request)).statusCode).toBe(401);
});

test('a body is handed on as it was sent, whatever JavaScript makes of it', async () => {
  const app = await createTestServer();
  const text = '{"name": "x", "config": {"__proto__": {}, "a": 9007199254740993, "b": 1e400}}';
  expect((await app.inject(await post(text))).json()).toEqual({ name: 'x', text });
});

test('an empty body is none, whatever the content type says', async () => {
  const app = await createTestServer();
  const request = await post('');
  expect((await app.inject({ ...request, url: '/nothing' })).statusCode).toBe(200);
});

test('what is not there is a problem, and so is another method of what is there', async () => {
  const app = await createTestServer();
  const unknown = await app.inject('/nowhere?token=secret');
  expect(problem.parse(unknown.json())).toMatchObject({
    status: 404,
    code: 'not_found',
    detail: 'There is no /nowhere.',
  });
  const other = await app.inject({ method: 'DELETE', url: '/things/1' });
  expect(problem.parse(other.json())).toMatchObject({ status: 405, code: 'method_not_allowed' });
  expect(other.headers['allow']).toBe('POST');
  const broken = await app.inject('/things/%zz');
  expect(problem.parse(broken.json())).toMatchObject({ status: 400, code: 'bad_url' });
});

test('a fault of the server tells nothing of its inside, and its log does', async () => {
  const log: string[] = [];
  const app = await createTestServer({}, log);
  for (const url of ['/fault', '/wrong']) {
    const answer = await app.inject(url);
    expect(problem.parse(answer.json())).toMatchObject({ status: 500, code: 'internal' });
    expect(answer.body).not.toContain('secret');
  }
  expect(log.join('')).toContain('a secret of the inside');
});

test('routes are for whoever their access says', async () => {
  const app = await createTestServer();
  const admin = await bearer({ roles: ['admin'] });
  const statuses = async (headers: Record<string, string>) =>
    Promise.all(['/public', '/user', '/admin'].map(async (url) => (await app.inject({ url, headers })).statusCode));
  expect(await statuses({})).toEqual([200, 401, 401]);
  expect(await statuses(await bearer())).toEqual([200, 200, 403]);
  expect(await statuses(admin)).toEqual([200, 200, 200]);
  expect(await statuses({ authorization: 'Bearer x' })).toEqual([200, 401, 401]);
  expect(await statuses({ 'sec-websocket-protocol': `instances.v1, bearer.${admin.authorization.slice(7)}` })).toEqual([
    200, 200, 200,
  ]);
});

test('a body is read only of who may send it', async () => {
  const app = await createTestServer({ bodyLimitBytes: 10 });
  const request = await post('x'.repeat(100), { authorization: 'Bearer x' });
  const answer = await app.inject(request);
  expect(problem.parse(answer.json())).toMatchObject({ status: 401, code: 'invalid_token' });
  expect(answer.headers['www-authenticate']).toBe('Bearer');
});

test('each user has a limit of its own, and whoever has no valid token shares that of the address', async () => {
  const app = await createTestServer({ requestsPerMinute: 3 });
  const [ada, bob] = await Promise.all([bearer(), bearer()]);
  const statuses = async (url: string, headers: Record<string, string>) => {
    const answers = [];
    for (let count = 0; count < 4; count += 1) answers.push(await app.inject({ url, headers }));
    return answers.map(({ statusCode }) => statusCode);
  };
  expect(await statuses('/user', ada)).toEqual([200, 200, 200, 429]);
  expect(await statuses('/user', bob)).toEqual([200, 200, 200, 429]);
  expect(await statuses('/user', { authorization: 'Bearer guessed' })).toEqual([401, 401, 401, 429]);
  const more = await app.inject('/nowhere');
  expect(problem.parse(more.json())).toMatchObject({ status: 429, code: 'too_many_requests' });
  expect(Number(more.headers['retry-after'])).toBeGreaterThan(0);
  expect((await app.inject({ url: '/user', remoteAddress: '127.0.0.9' })).statusCode).toBe(401);
  expect(await statuses('/file', {})).toEqual([200, 200, 200, 200]);
});

test.each<[what: string, request: InjectOptions, status: number]>([
  ['a malformed address', { url: '/things/%zz' }, 400],
  ['a malformed address of the page', { url: '/file%' }, 400],
  ['an address that is cut off within a character', { url: '/%E0%A4%A' }, 400],
  ['a parameter that is too long', { url: `/things/${'x'.repeat(200)}`, method: 'POST' }, 414],
  ['an unknown path', { url: '/nowhere' }, 404],
  ['a file that is not there', { url: '/files/nothing' }, 404],
  ['another method', { url: '/user', method: 'DELETE' }, 405],
  ['a method of WebDAV', { url: '/user', method: 'PROPFIND' }, 405],
  ['HEAD', { url: '/public', method: 'HEAD' }, 200],
  [
    'a preflight',
    { url: '/user', method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'GET' } },
    204,
  ],
  [
    'a preflight of a foreign origin',
    { url: '/user', method: 'OPTIONS', headers: { origin: 'https://x.example' } },
    204,
  ],
  ['a missing token', { url: '/user' }, 401],
  ['a fault', { url: '/fault' }, 500],
  ['a refused body', { url: '/nothing', method: 'POST', headers: { 'content-encoding': 'gzip' } }, 401],
])('%s counts towards the limit on the rate, once', async (_what, request, status) => {
  const app = await createTestServer({ requestsPerMinute: 2, allowedOrigins: [origin] });
  const statuses = [];
  for (let count = 0; count < 3; count += 1) statuses.push((await app.inject(request)).statusCode);
  expect(statuses).toEqual([status, status, 429]);
  const refused = await app.inject(request);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
});

test('the address that a proxy names counts only where that proxy is trusted', async () => {
  for (const [trustedProxies, last] of [
    [[], 429],
    [['127.0.0.1'], 200],
  ] as const) {
    const app = await createTestServer({ requestsPerMinute: 1, trustedProxies });
    const from = (address: string) => app.inject({ url: '/public', headers: { 'x-forwarded-for': address } });
    expect((await from('10.0.0.1')).statusCode).toBe(200);
    expect((await from('10.0.0.2')).statusCode).toBe(last);
  }
});

test('answers carry the headers that browsers are safer with', async () => {
  const app = await createTestServer({ connectTo: ['https://admin.example.com'] });
  for (const url of ['/public', '/nowhere', '/user', '/fault']) {
    const { headers } = await app.inject(url);
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'SAMEORIGIN',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': expect.stringContaining('max-age='),
    });
    const policy = String(headers['content-security-policy']);
    expect(policy).toMatch(/default-src 'self';[^]*script-src 'self'/);
    expect(policy).toContain("connect-src 'self' https://admin.example.com");
    expect(headers['x-powered-by']).toBeUndefined();
  }
});

test('pages of other origins may call only where their origin is allowed', async () => {
  const preflight = (from: string) => ({
    method: 'OPTIONS' as const,
    url: '/user',
    headers: {
      origin: from,
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'authorization',
    },
  });
  const closed = await createTestServer();
  const refused = await closed.inject(preflight(origin));
  expect(refused.statusCode).toBe(405);
  expect(refused.headers).not.toHaveProperty('access-control-allow-origin');
  const plain = await closed.inject({ url: '/public', headers: { origin } });
  expect(plain.headers).not.toHaveProperty('access-control-allow-origin');

  const open = await createTestServer({ allowedOrigins: [origin] });
  const allowed = await open.inject(preflight(origin));
  expect(allowed.statusCode).toBe(204);
  expect(allowed.headers).toMatchObject({
    'access-control-allow-origin': origin,
    'access-control-allow-headers': 'authorization',
    'access-control-allow-methods': expect.stringContaining('PATCH'),
  });
  expect(allowed.headers).not.toHaveProperty('access-control-allow-credentials');
  const answer = await open.inject({ url: '/user', headers: { origin, ...(await bearer()) } });
  expect(answer.headers).toMatchObject({ 'access-control-allow-origin': origin, vary: 'Origin' });
  const foreign = await open.inject(preflight('https://app.example.com.evil.example'));
  expect(foreign.headers).not.toHaveProperty('access-control-allow-origin');
});

test.each<[unavailable: boolean, what: string, error: unknown]>([
  [true, 'a refused connection', Object.assign(new Error('x'), { code: 'ECONNREFUSED' })],
  [true, 'one refused at each address', new AggregateError([Object.assign(new Error('x'), { code: 'ECONNREFUSED' })])],
  [true, 'a server that is stopping', Object.assign(new Error('x'), { code: '57P01' })],
  [true, 'no connection left', Object.assign(new Error('x'), { code: '53300' })],
  [true, 'a statement out of time', Object.assign(new Error('x'), { code: '57014' })],
  [true, 'a standby that is not promoted yet', Object.assign(new Error('x'), { code: '25006' })],
  [
    true,
    'the same, through a pooler',
    Object.assign(new Error('cannot set transaction read-write mode during recovery'), { code: '0A000' }),
  ],
  [false, 'what PostgreSQL does not know', Object.assign(new Error('x'), { code: '0A000' })],
  [true, 'a deadlock', Object.assign(new Error('x'), { code: '40P01' })],
  [true, 'a pool that is exhausted', new Error('timeout exceeded when trying to connect')],
  [false, 'a missing table', Object.assign(new Error('x'), { code: '42P01' })],
  [false, 'a fault of the code', new TypeError('x')],
  [false, 'no error at all', 'x'],
])('is it the server behind? %s: %s', (unavailable, _what, error) => {
  expect(isUnavailable(error)).toBe(unavailable);
});
