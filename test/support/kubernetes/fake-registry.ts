import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A registry of images at 127.0.0.1, which engines ask over plain HTTP. @returns its `host:port` */
async function openRegistry(answer: Answer): Promise<string> {
  const registry = createServer(answer).listen(0, '127.0.0.1');
  await once(registry, 'listening');
  onTestFinished(() => {
    registry.close();
    registry.closeAllConnections();
  });
  return `127.0.0.1:${(registry.address() as AddressInfo).port}`;
}

/** An image that its registry does not have. */
export async function missingImage(): Promise<string> {
  const registry = await openRegistry((_, response) => {
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
  });
  return `${registry}/agents/none:1`;
}

/** An image that its registry has for another platform alone. */
export async function imageForOtherPlatform(): Promise<string> {
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.docker.distribution.manifest.list.v2+json',
    manifests: [
      {
        mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
        digest: `sha256:${'1'.repeat(64)}`,
        size: 100,
        platform: { architecture: 's390x', os: 'linux' },
      },
    ],
  });
  const digest = `sha256:${createHash('sha256').update(index).digest('hex')}`;
  const registry = await openRegistry(({ url, method }, response) => {
    if (url === '/v2/') return response.writeHead(200).end();
    if (!/\/manifests\/(1|sha256:.*)$/.test(url ?? '')) return response.writeHead(404).end();
    response.writeHead(200, {
      'content-type': 'application/vnd.docker.distribution.manifest.list.v2+json',
      'content-length': Buffer.byteLength(index),
      'docker-content-digest': digest,
    });
    return response.end(method === 'HEAD' ? undefined : index);
  });
  return `${registry}/agents/foreign:1`;
}
