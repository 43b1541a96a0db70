import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { asPullFailure, asStartFailure, asUnavailable } from '../../runtimes/docker/engine-error.ts';
import { openEngine } from '../../runtimes/docker/engine.ts';
import { RuntimeUnavailable, SpecRejected } from '../../runtimes/runtime.ts';

test.each(['http://127.0.0.1:1/', '/elsewhere', 'ftp://x/y', 'no scheme at all'])(
  'a redirect of the engine to %s is an error of the request, and nothing is asked there',
  async (location) => {
    const asked: (string | undefined)[] = [];
    const server = createServer(({ url }, response) => {
      asked.push(url);
      response.writeHead(301, { location }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const engine = openEngine({ host: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}` });
    const signal = AbortSignal.timeout(10_000);
    for (const request of [
      () => engine.inspect('c'),
      () => engine.inspectImage('i', signal),
      () => engine.pull('i', signal),
      () => engine.events('a=b', undefined, signal),
      () => engine.lastOutput('c'),
      () => engine.putFile('c', '/', 'f', 'x'),
    ]) {
      await expect(request()).rejects.toMatchObject({ statusCode: 301 });
    }
    expect(asked).toHaveLength(6);
    server.close();
    server.closeAllConnections();
  },
);

describe('what an engine says of an image', () => {
  test.each([
    'no matching manifest for linux/amd64 in the manifest list entries',
    'image operating system "windows" cannot be used on this platform: operating system is not supported',
    'image with reference x was found but does not match the specified platform: wanted linux/amd64, actual: linux/arm64',
    'invalid reference format',
    'pull access denied for x, repository does not exist or may require docker login',
    'manifest unknown: manifest unknown',
  ])('is the fault of the spec: %s', (message) => {
    expect(asPullFailure(new Error(message), 'x')).toBeInstanceOf(SpecRejected);
  });

  test.each(['dial tcp 127.0.0.1:1: connect: connection refused', 'net/http: TLS handshake timeout', 'no space left'])(
    'may pass: %s',
    (message) => {
      expect(asPullFailure(new Error(message), 'x')).not.toBeInstanceOf(SpecRejected);
      const { message: told } = asUnavailable(new Error(message), 'tcp://e');
      expect(told).toContain('cannot do this now');
    },
  );
});

test('only an engine that did not answer is said not to answer', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  expect(asUnavailable(refused, 'tcp://e')).toBeInstanceOf(RuntimeUnavailable);
  expect(asUnavailable(refused, 'tcp://e').message).toContain('does not answer');
});

test.each([
  'exec: "x": executable file not found in $PATH',
  'exec format error',
  'Minimum memory limit allowed is 6MB',
])('a container that cannot start for %s is the fault of the spec', (message) => {
  const error = Object.assign(new Error(message), { statusCode: 500, json: { message } });
  expect(asStartFailure(error)).toBeInstanceOf(SpecRejected);
});
