import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { HttpServer } from '../../backends/http/server.ts';
import { openDocumentedApi, readDocument, type Call } from '../support/documented-api.ts';
import { one, useRig } from '../support/rig.ts';
import { signToken } from '../support/tokens.ts';
import { createOwnUserServer } from '../support/user-server.ts';

const rig = useRig();
let app: HttpServer;
let url: string;
let call: Call;
let pageFolder: string;

beforeAll(async () => {
  pageFolder = await mkdtemp(join(tmpdir(), 'page-'));
  await writeFile(join(pageFolder, 'index.html'), '<!doctype html><title>Page</title>');
  app = await createOwnUserServer(rig, { pageFolder });
  url = await app.listen({ host: '127.0.0.1', port: 0 });
  call = await openDocumentedApi(url);
});
afterAll(async () => {
  await app?.close();
  await rm(pageFolder, { recursive: true, force: true });
});

test('the document names each operation, what it needs and what it answers', async () => {
  const document = await readDocument(url);
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  const ids = operations.map(({ operationId }) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const operation of operations) {
    expect(operation).toMatchObject({ summary: expect.any(String), tags: [expect.any(String)] });
    expect('security' in operation).toBe(operation.operationId === 'getPageSettings');
    expect('401' in operation.responses).toBe(operation.operationId !== 'getPageSettings');
  }
  const { components } = z
    .object({ components: z.object({ schemas: z.record(z.string(), z.unknown()) }) })
    .parse(document);
  expect(Object.keys(components.schemas).toSorted()).toEqual([
    'CatalogAgent',
    'Explanation',
    'Instance',
    'InstanceChangeInput',
    'InstancePage',
    'InstanceSummary',
    'Me',
    'NewInstanceInput',
    'PageSettings',
    'Problem',
  ]);
});

test('the page is served, also when it is one file, and no other file is', async () => {
  const page = await call('GET', '/');
  expect(page).toMatchObject({ status: 200, text: '<!doctype html><title>Page</title>' });
  expect(page.headers.get('content-type')).toContain('text/html');
  expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
  expect(page.headers.get('cache-control')).toBe('public, max-age=0');
  await mkdir(join(pageFolder, 'styles'));
  await writeFile(join(pageFolder, 'styles', 'base.css'), 'body {}');
  await writeFile(join(pageFolder, '.secret'), 'x');
  expect(await call('GET', '/assets/styles/base.css')).toMatchObject({ status: 200, text: 'body {}' });
  for (const path of ['/assets/none.js', '/assets/', '/assets/styles', '/assets/%2e%2e/server.ts', '/assets/.secret']) {
    const { status } = await call('GET', path);
    expect([path, status]).toEqual([path, expect.toSatisfy((code) => code === 403 || code === 404)]);
  }
});

test('a timeline is had of own instances, also of deleted ones, and of as many events as asked for', async () => {
  const userId = randomUUID();
  const token = await signToken({ userId });
  const { rows } = await rig.pool.query<{ id: string }>(
    'insert into instances (agent_id, user_id) values ($1, $2) returning id',
    [randomUUID(), userId],
  );
  const { id } = one(rows);
  const path = `/v1/instances/${id}/timeline`;
  expect((await call('GET', path, { token })).body).toMatchObject({
    instance_id: id,
    row: { id, status: 'pending' },
    timeline: [{ source: 'row', text: expect.stringContaining('#1 instance.created') }],
  });
  await rig.deleteInstance(id);
  expect((await call('GET', `${path}?last=1`, { token })).body).toMatchObject({
    row: null,
    earlier_lines: 1,
    timeline: [{ source: 'row', text: expect.stringContaining('#2 instance.deleted') }],
  });
  const stranger = await signToken({ userId: randomUUID() });
  expect((await call('GET', path, { token: stranger })).body).toMatchObject({ status: 404 });
  expect((await call('GET', `/v1/instances/${randomUUID()}/timeline`, { token })).body).toMatchObject({ status: 404 });
  const admin = await signToken({ userId: randomUUID(), roles: ['admin'] });
  expect((await call('GET', path, { token: admin })).status).toBe(200);
  for (const last of ['0', '1001', 'all']) {
    expect((await call('GET', `${path}?last=${last}`, { token })).body).toMatchObject({ code: 'invalid_request' });
  }
});
