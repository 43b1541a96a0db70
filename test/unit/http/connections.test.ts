import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import type { AddressInfo } from 'node:net';
import { expect, test, vi } from 'vitest';
import { connectionLimits } from '../../../backends/http/connection-limits.ts';
import { problem } from '../../../backends/http/problem.ts';
import type { HttpServerOptions } from '../../../backends/http/server.ts';
import type { LiveUpdates } from '../../../backends/live/live-updates.ts';
import { addLiveRoute } from '../../../backends/user/live-route.ts';
import { createTestServer } from '../../support/http-server.ts';
import { openRawConnection, requestHead } from '../../support/raw-connection.ts';
import { signToken } from '../../support/tokens.ts';

const large = 'x'.repeat(64 * 1024 * 1024);
const json = { 'content-type': 'application/json' };
const bearer = async () => ({ authorization: `Bearer ${await signToken({ userId: randomUUID() })}` });

/** A server that listens. Its times are short where the test does not say otherwise. */
async function listen(limits: HttpServerOptions['limits'] = {}, options: Partial<HttpServerOptions> = {}) {
  const app = await createTestServer({
    limits: { checkEveryMs: 20, ...limits },
    requestsPerMinute: 100_000,
    ...options,
  });
  app.get('/large', { config: { access: 'public' } }, (_, reply) => reply.type('text/plain').send(large));
  app.get('/later', { config: { access: 'public' } }, () => delay(500, { ok: true }));
  // The route alone is asked, and hands no socket on.
  await addLiveRoute(app, { connect: () => undefined } as unknown as LiveUpdates);
  await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    port: (app.server.address() as AddressInfo).port,
    connections: () => promisify(app.server.getConnections.bind(app.server))(),
  };
}

const bodyOf = (answer: string) => problem.parse(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))));

test('3,000 slow bodies without a token are refused at once and ended soon, while a user is served', async () => {
  // More than any pause that a busy machine makes: here, the process that ends the connections is the one that reads the answers.
  const unreadBodyMs = 5_000;
  expect(connectionLimits.unreadBodyMs).toBeLessThan(unreadBodyMs);
  const { port } = await listen({ unreadBodyMs });
  const head = requestHead('POST', '/things/1', { ...json, 'content-length': '1000' });
  const slow = [];
  for (let count = 0; count < 3_000; count += 100) {
    slow.push(...(await Promise.all(Array.from({ length: 100 }, () => openRawConnection(port, `${head}{`)))));
  }
  const answer = await fetch(`http://127.0.0.1:${port}/user`, { headers: await bearer() });
  expect(answer.status).toBe(200);
  const lives = await Promise.all(slow.map(({ ended }) => ended));
  expect(slow.every(({ received }) => received().startsWith('HTTP/1.1 401 '))).toBe(true);
  // Some seconds more for a busy machine; without a limit they would stay for minutes.
  expect(Math.max(...lives)).toBeLessThan(unreadBodyMs + 10_000);
}, 180_000);

test('whoever sends on after an answer reads that answer', async () => {
  const { port } = await listen();
  const answer = await fetch(`http://127.0.0.1:${port}/things/1`, {
    method: 'POST',
    headers: json,
    body: large.slice(0, 4_000_000),
  });
  expect(answer.status).toBe(401);
});

test.each<[what: string, text: string, status: number | undefined]>([
  ['sends nothing', '', 408],
  ['sends half a request line', 'GET /pub', 408],
  ['sends half of the headers', 'GET /public HTTP/1.1\r\nhost: test\r\nx-', 408],
  ['stops before the second request of a connection', `${requestHead('GET', '/public')}GET`, 408],
])('a client that %s is ended', async (_what, text, status) => {
  const { port } = await listen({ headersMs: 200 });
  const { ended, received } = await openRawConnection(port, text);
  await ended;
  const last = received().slice(received().lastIndexOf('HTTP/1.1 '));
  expect(last).toMatch(/^HTTP\/1\.1 408 /);
  expect(last).toContain('content-type: application/problem+json');
  expect(bodyOf(last)).toMatchObject({ status, code: 'request_timeout' });
});

test('a body that does not come is given up, also with a token', async () => {
  const { port } = await listen({ headersMs: 100, requestMs: 300 });
  const headers = { ...json, ...(await bearer()) };
  const [counted, chunked] = await Promise.all([
    openRawConnection(port, `${requestHead('POST', '/things/1', { ...headers, 'content-length': '10' })}{`),
    openRawConnection(
      port,
      `${requestHead('POST', '/things/1', { ...headers, 'transfer-encoding': 'chunked' })}1\r\n{\r\n`,
    ),
  ]);
  await Promise.all([counted.ended, chunked.ended]);
  for (const { received } of [counted, chunked]) expect(received()).toMatch(/^HTTP\/1\.1 408 /);
});

test('a body that trickles is given up at the time for the whole of it', async () => {
  const { port } = await listen({ headersMs: 100, requestMs: 300 });
  const head = requestHead('POST', '/things/1', { ...json, ...(await bearer()), 'content-length': '1000' });
  const { socket, ended, received } = await openRawConnection(port, head);
  const drip = setInterval(() => socket.writable && socket.write(' '), 20);
  await ended;
  clearInterval(drip);
  expect(received()).toMatch(/^HTTP\/1\.1 408 /);
});

test.each(['/public', '/nowhere', '/large', '/user', '/%zz', '/fault'])(
  'a body that %s does not want is not waited for',
  async (path) => {
    const { port } = await listen({ unreadBodyMs: 100 });
    const method = path === '/nowhere' ? 'POST' : 'GET';
    const { ended, received } = await openRawConnection(
      port,
      `${requestHead(method, path, { 'content-length': '10' })}{`,
    );
    await ended;
    expect(received()).toMatch(/^HTTP\/1\.1 [2345]/);
  },
);

test('a client that does not read its answer is ended', async () => {
  const { port, connections } = await listen({ stalledMs: 200 });
  const { socket } = await openRawConnection(port, requestHead('GET', '/large'), { reads: false });
  await vi.waitFor(async () => expect(await connections()).toBe(0));
  expect(socket.bytesRead).toBeLessThan(large.length);
});

test('whoever waits long for an answer has all of it', async () => {
  const { port } = await listen({ stalledMs: 200 });
  expect(await (await fetch(`http://127.0.0.1:${port}/later`)).json()).toEqual({ ok: true });
});

test('whoever reads an answer slowly has all of it', async () => {
  // Between the pauses and the limit there is room for a machine that is busy.
  const [stalledMs, pauseMs] = [2_000, 100];
  const { port } = await listen({ stalledMs });
  const { socket } = await openRawConnection(port, requestHead('GET', '/large', { connection: 'close' }), {
    reads: false,
  });
  let pauses = 0;
  socket.on('data', () => {
    if (socket.bytesRead < pauses * 2_000_000) return;
    pauses += 1;
    socket.pause();
    setTimeout(() => socket.resume(), pauseMs);
  });
  await new Promise((resolve) => socket.once('close', resolve));
  expect(socket.bytesRead).toBeGreaterThan(large.length);
  expect(pauses * pauseMs).toBeGreaterThan(stalledMs);
});

test('a connection that is idle after its answer is ended', async () => {
  const { port } = await listen({ idleMs: 100 });
  const { ended, received } = await openRawConnection(port, requestHead('GET', '/public'));
  await ended;
  expect(received()).toMatch(/^HTTP\/1\.1 200 /);
});

test('there is a bound on connections, and room again once one ends', async () => {
  const { port } = await listen({ connections: 2 });
  const [first] = await Promise.all([openRawConnection(port, ''), openRawConnection(port, '')]);
  const third = await openRawConnection(port, requestHead('GET', '/public'));
  await third.ended;
  expect(third.received()).toBe('');
  first?.socket.destroy();
  await vi.waitFor(async () => expect((await fetch(`http://127.0.0.1:${port}/public`)).status).toBe(200));
});

test('a body that is held back is asked for when its sender may send it', async () => {
  const { port } = await listen({}, { bodyLimitBytes: 100 });
  const ask = (headers: Record<string, string>) =>
    openRawConnection(port, requestHead('POST', '/things/1', { ...json, expect: '100-continue', ...headers }));
  const allowed = await ask({ ...(await bearer()), 'content-length': '13' });
  await vi.waitFor(() => expect(allowed.received()).toBe('HTTP/1.1 100 Continue\r\n\r\n'));
  allowed.socket.write('{"name": "x"}');
  await vi.waitFor(() => expect(allowed.received()).toContain('HTTP/1.1 200 '));
  for (const [headers, status] of [
    [{ 'content-length': '13' }, 401],
    [{ ...(await bearer()), 'content-length': '13', 'content-encoding': 'gzip' }, 415],
    [{ ...(await bearer()), 'content-length': '101' }, 413],
  ] as const) {
    const refused = await ask(headers);
    await vi.waitFor(() => expect(refused.received()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `)));
  }
});

test.each<[what: string, text: string, status: number, code: string]>([
  ['no HTTP', 'hello\r\n\r\n', 400, 'bad_request'],
  ['a method that nobody knows', 'NONSENSE / HTTP/1.1\r\nhost: test\r\n\r\n', 400, 'bad_request'],
  [
    'two lengths',
    'POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
    400,
    'bad_request',
  ],
  [
    'a length and chunks',
    requestHead('POST', '/', { 'content-length': '1', 'transfer-encoding': 'chunked' }),
    400,
    'bad_request',
  ],
  [
    'a transfer coding that is no chunks',
    requestHead('POST', '/', { 'transfer-encoding': 'gzip' }),
    400,
    'bad_request',
  ],
  ['no chunk', `${requestHead('POST', '/things/1', { 'transfer-encoding': 'chunked' })}zz\r\n`, 400, 'bad_request'],
  [
    'a token of 20,000 characters',
    requestHead('GET', '/user', { authorization: `Bearer ${'x'.repeat(20_000)}` }),
    431,
    'headers_too_large',
  ],
])('%s is a problem, and the end of the connection', async (_what, text, status, code) => {
  const { port } = await listen();
  const { ended, received } = await openRawConnection(port, text);
  await ended;
  const last = received().slice(received().lastIndexOf('HTTP/1.1 '));
  expect(bodyOf(last)).toMatchObject({ status, code });
});

test('a compressed transfer is refused as a compressed body is', async () => {
  const { port } = await listen();
  const headers = { ...json, ...(await bearer()), 'transfer-encoding': 'gzip, chunked' };
  const { received } = await openRawConnection(port, `${requestHead('POST', '/things/1', headers)}0\r\n\r\n`);
  await vi.waitFor(() => expect(received()).toMatch(/^HTTP\/1\.1 415 [^]*unsupported_content_encoding/));
});

const upgrade = {
  connection: 'upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'MDEyMzQ1Njc4OWFiY2RlZg==',
};

test.each([
  ['/v1/updates', '401'],
  ['/user', '401'],
  ['/nowhere', '404'],
  ['/%zz', '400'],
])('an upgrade of %s without a token is answered, counted and ended', async (path, status) => {
  const { port } = await listen({}, { requestsPerMinute: 2 });
  const statuses = [];
  for (let count = 0; count < 3; count += 1) {
    const { ended, received } = await openRawConnection(port, requestHead('GET', path, upgrade));
    await ended;
    statuses.push(received().slice(9, 12));
  }
  expect(statuses).toEqual([status, status, '429']);
});

test('half an upgrade is ended as half a request is', async () => {
  const { port } = await listen({ headersMs: 200 });
  const { ended } = await openRawConnection(port, requestHead('GET', '/v1/updates', upgrade).slice(0, -2));
  expect(await ended).toBeGreaterThanOrEqual(150);
});
