import { afterEach, expect, test } from 'vitest';
import { openRawConnection, requestHead } from '../support/raw-connection.ts';
import { serveHealth, type HealthServer, type Part } from '../../workers/health.ts';

const host = '127.0.0.1';
let server: HealthServer;

afterEach(() => server.close());

const setting = 'A_HEALTH_PORT';
const part = (name: string, health: Part['health']): Part => ({ name, health });
const get = (path: string) => fetch(`http://${host}:${server.port}${path}`);

test('a process whose every part is at work is ready', async () => {
  const parts = [part('event_broker', { ready: true }), part('agents_worker', { ready: true })];
  server = await serveHealth({ host, port: 0, setting, parts });
  const response = await get('/ready');
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/json');
  expect(await response.json()).toEqual({
    ready: true,
    parts: [
      { name: 'event_broker', ready: true },
      { name: 'agents_worker', ready: true },
    ],
  });
});

test('one part that is not at work makes the process alive but not ready, and says why', async () => {
  const health: Part['health'] = { ready: false, lastError: 'connect ECONNREFUSED' };
  server = await serveHealth({ host, port: 0, setting, parts: [part('a', { ready: true }), part('b', health)] });
  const response = await get('/ready');
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ ready: false, parts: [{ name: 'a' }, { name: 'b', ...health }] });
  expect((await get('/live')).status).toBe(200);
});

test('a process that stands by for another one is not ready, but of use; one that waits for a server is neither', async () => {
  const health: Part['health'] = { ready: false, standby: 'broker-1 leads' };
  server = await serveHealth({ host, port: 0, setting, parts: [part('a', { ready: true }), part('b', health)] });
  expect((await get('/ready')).status).toBe(503);
  expect((await get('/ready-or-standby')).status).toBe(200);
  delete health.standby;
  expect((await get('/ready-or-standby')).status).toBe(503);
  health.ready = true;
  expect((await get('/ready-or-standby')).status).toBe(200);
});

test('the answer follows the parts', async () => {
  const health = { ready: false };
  server = await serveHealth({ host, port: 0, setting, parts: [part('a', health)] });
  expect((await get('/ready')).status).toBe(503);
  health.ready = true;
  expect((await get('/ready')).status).toBe(200);
});

test('any other path is not found', async () => {
  server = await serveHealth({ host, port: 0, setting, parts: [] });
  expect((await get('/')).status).toBe(404);
  expect((await get('/constructor')).status).toBe(404);
});

test('a port that is taken is an error that names it, and the setting to change', async () => {
  server = await serveHealth({ host, port: 0, setting, parts: [] });
  const refused = serveHealth({ host, port: server.port, setting, parts: [] });
  await expect(refused).rejects.toThrow(`${host}:${server.port}`);
  await expect(refused).rejects.toThrow(
    'EADDRINUSE. End what uses it, or give this process another one with A_HEALTH_PORT',
  );
});

test('a client that is slow is ended', async () => {
  server = await serveHealth({ host, port: 0, setting, parts: [] });
  const body = requestHead('POST', '/live', { 'content-length': '1000' });
  const ends = await Promise.all(
    ['', 'GET /li', `${body}x`].map(async (text) => (await openRawConnection(server.port, text)).ended),
  );
  expect(Math.max(...ends)).toBeLessThan(20_000);
});
