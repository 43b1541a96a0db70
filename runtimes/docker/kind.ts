import { z } from 'zod';
import { defineKind } from '../kind.ts';
import { dockerSpec } from './spec.ts';

const engineUrl = /^(unix:\/\/\/.|npipe:\/\/.|(tcp|https?):\/\/[^/]+)/;

export const dockerKind = defineKind({
  spec: dockerSpec,
  settings: {
    DOCKER_HOST: z
      .string()
      .refine(
        (text) => URL.canParse(text) && engineUrl.test(text),
        'must be a URL such as unix:///var/run/docker.sock or tcp://127.0.0.1:2375',
      )
      .meta({
        description: 'URL of the Docker engine for agents that are containers, e.g. `unix:///var/run/docker.sock`.',
        otherwise: 'containers wait for a worker that has one',
      }),
    DOCKER_CERT_PATH: z.string().min(1).optional().meta({
      description: 'Folder with ca.pem, cert.pem and key.pem for TLS to the Docker engine.',
      otherwise: 'no client certificate',
    }),
  },
  async open({ DOCKER_HOST: host, DOCKER_CERT_PATH: certificatesDirectory }, { scope, logger }) {
    const { createDockerRuntime } = await import('./docker-runtime.ts');
    return createDockerRuntime({ host, certificatesDirectory, scope, logger });
  },
});
