import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, inject, test } from 'vitest';
import { applyTopology, checkTopology } from '../../bridge/topology-check/check-topology.ts';
import { nameOf } from '../../bridge/bus/topology.ts';
import { contractsCheck } from '../support/contracts-check.ts';
import { openVirtualHost, type VirtualHost } from '../support/virtual-host.ts';

describe.concurrent('what cannot be checked', () => {
  test('names the option that is missing or wrong, without what it says, and ends with 2', async () => {
    const [none, wrong, escape, unknown] = await Promise.all([
      contractsCheck([]),
      contractsCheck(['--management-url', 'nowhere'], { AMQP_URL: 'http://127.0.0.1' }),
      contractsCheck([], { AMQP_URL: 'amqp://user:100%@127.0.0.1' }),
      contractsCheck(['--delete']),
    ]);
    expect(none.output).toContain('AMQP_URL is required');
    expect(wrong.output).toMatch(/AMQP_URL must be a URL.*--management-url .*must be a URL/);
    expect(escape.output).toMatch(/^Not checked: AMQP_URL has a percent sign .* as %25$/m);
    expect(unknown.output).toContain('unknown option');
    expect([none, wrong, escape, unknown].map(({ exitCode }) => exitCode)).toEqual([2, 2, 2, 2]);
  });

  test('a URL with a password is refused with the way out, and not repeated', async () => {
    const urls = ['--management-url=https://admin:hunter2@127.0.0.1:15671'];
    const { output, exitCode } = await contractsCheck(urls);
    expect(output).toMatch(/--management-url holds .*Set RABBITMQ_MANAGEMENT_URL, or .*_FILE/);
    expect(output).not.toContain('hunter2');
    expect(exitCode).toBe(2);
  });

  test('a management API that does not answer: where it was looked for, and the option', async () => {
    const { amqpUrl } = inject('servers');
    const gone = await listen(() => undefined);
    await gone[Symbol.asyncDispose]();
    await expect(checkTopology({ amqpUrl, managementUrl: gone.url })).rejects.toThrow(
      new RegExp(`at ${gone.url} does not answer: .*ECONNREFUSED.*--management-url`),
    );
    await using silent = await listen(() => undefined);
    await expect(checkTopology({ amqpUrl, managementUrl: silent.url, timeoutMs: 50 })).rejects.toThrow(
      /does not answer: .*timeout.*--management-url/,
    );
  });

  test.for([
    { scheme: 'amqp', place: 'http://127.0.0.2:15672' },
    { scheme: 'amqps', place: 'https://127.0.0.2:15671' },
  ])('$scheme: the management API is looked for at $place', async ({ scheme, place }) => {
    const nowhere = `${scheme}://127.0.0.2/${randomUUID()}`;
    await expect(checkTopology({ amqpUrl: nowhere })).rejects.toThrow(new RegExp(`at ${place} .*--management-url`));
  });

  test('what answers is something else', async () => {
    await using other = await listen((_, response) => response.end('<h1>Hello</h1>'));
    const { amqpUrl } = inject('servers');
    await expect(checkTopology({ amqpUrl, managementUrl: other.url })).rejects.toThrow(
      /is no management API of RabbitMQ.*--management-url/,
    );
  });

  test('an answer that fails is asked for again, and what fails for good is not called another server', async () => {
    await using host = await openVirtualHost();
    const { amqpUrl, managementUrl } = host;
    const failures = { left: 3 };
    await using flawed = await listen(async ({ url = '', headers }, response) => {
      failures.left -= 1;
      if (failures.left >= 0) return response.writeHead(500).end();
      const { authorization = '' } = headers;
      const answer = await fetch(new URL(url, managementUrl), { headers: { authorization } });
      return response.writeHead(answer.status).end(await answer.text());
    });
    const found = await checkTopology({ amqpUrl, managementUrl: flawed.url });
    expect(found).toEqual(await checkTopology({ amqpUrl, managementUrl }));
    failures.left = Infinity;
    await expect(checkTopology({ amqpUrl, managementUrl: flawed.url })).rejects.toThrow(
      /failed \(HTTP status 500\).*its log says why.*--management-url/,
    );
  });

  test('an answer that fails and names a reason is not called a refusal', async () => {
    const { amqpUrl } = inject('servers');
    await using failing = await listen((_, response) => response.writeHead(503).end('{"reason":"Not yet"}'));
    await expect(checkTopology({ amqpUrl, managementUrl: failing.url })).rejects.toThrow(
      /failed \(HTTP status 503: Not yet\)/,
    );
  });

  test('a login that is refused, a user without the tag, a virtual host that is closed to the user or not there', async () => {
    await using host = await openVirtualHost();
    const { amqpUrl, managementUrl } = host;
    const as = (user: User) => checkTopology({ amqpUrl, managementUrl: withUser(managementUrl, user) });
    await expect(as({ username: 'guest', password: 'hunter2' })).rejects.toThrow(
      /^(?!.*hunter2).*refuses the user.*(Login failed|Not_Authorized).*Check its password.*RABBITMQ_MANAGEMENT_URL=http:\/\/user:password@/,
    );
    await using untagged = await openUser(host, { tags: '' });
    await expect(as(untagged)).rejects.toThrow(/Not.management user/i);
    await using stranger = await openUser(host, { tags: 'management' });
    await expect(as(stranger)).rejects.toThrow(
      new RegExp(
        `(for the|knows no) virtual host ${host.name}(:| that this user may see).*(--management-url|RABBITMQ_MANAGEMENT_URL)`,
      ),
    );
    await expect(checkTopology({ amqpUrl: `${amqpUrl}-not`, managementUrl })).rejects.toThrow(
      new RegExp(`knows no virtual host ${host.name}-not.*AMQP_URL.*--management-url`),
    );
  });

  test('--apply that may not create: what it was, and what RabbitMQ says; what was created stays', async () => {
    await using host = await openVirtualHost();
    await using user = await openUser(host, { tags: '' });
    const rights = { configure: '^events', write: '', read: '' };
    await host.management('PUT', `permissions/${host.name}/${user.username}`, rights);
    const created: string[] = [];
    const applied = applyTopology({
      amqpUrl: withUser(host.amqpUrl, user),
      managementUrl: withUser(host.managementUrl, new URL(host.amqpUrl)),
      onCreated: (object) => created.push(nameOf(object)),
    });
    await expect(applied).rejects.toThrow(/The exchange agents\.direct could not be created: .*refused.*run it again/);
    expect(created).toEqual(['exchange events.topic']);
  });

  test('--apply whose AMQP server is away, or is another than that of the management API', async () => {
    await using host = await openVirtualHost();
    const away = new URL(host.amqpUrl);
    away.port = '1';
    const onCreated = () => undefined;
    await expect(applyTopology({ ...host, amqpUrl: away.href, onCreated })).rejects.toThrow(
      /127\.0\.0\.1:1 .*AMQP_URL/,
    );
    await using empty = await listen((_, response) => response.end('[]'));
    await expect(
      applyTopology({ amqpUrl: host.amqpUrl, managementUrl: empty.url, settleMs: 1, onCreated }),
    ).rejects.toThrow(/was created, but.*same server with --management-url/);
  });
});

interface User {
  username: string;
  password: string;
}

function withUser(url: string, { username, password }: User): string {
  return Object.assign(new URL(url), { username, password }).href;
}

/** Without any right; removed where its use ends. */
async function openUser({ management }: VirtualHost, { tags }: { tags: string }): Promise<User & AsyncDisposable> {
  const username = `user-${randomUUID()}`;
  const password = 'p@ss';
  await management('PUT', `users/${username}`, { password, tags });
  return {
    username,
    password,
    [Symbol.asyncDispose]: async () => {
      await management('DELETE', `users/${username}`);
    },
  };
}

/** An HTTP server that is none of RabbitMQ, or answers in its place. */
async function listen(onRequest: (...received: Parameters<RequestListener>) => unknown) {
  const server = createServer(onRequest);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}
