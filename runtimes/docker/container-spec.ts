import type { ContainerCreateOptions } from 'dockerode';
import type { DockerSpec } from './spec.ts';
import type { ProvisionRequest } from '../runtime.ts';

/** What the engine remembers of a container for us. A label cannot be changed once the container exists. */
export const labels = {
  scope: 'instance-engine.scope',
  instanceId: 'instance-engine.instance-id',
  agentId: 'instance-engine.agent-id',
  generation: 'instance-engine.generation',
  stopGraceSeconds: 'instance-engine.stop-grace-seconds',
} as const;

/** The config is put here, on a volume of the container's own: a read-only image takes no files. */
export const configFolder = '/instance';
export const configName = 'config.json';

/** Variables that every agent gets and in which nothing is secret. */
export const ownVariables: ReadonlySet<string> = new Set([
  'INSTANCE_ID',
  'INSTANCE_NAME',
  'AGENT_ID',
  'INSTANCE_CONFIG_FILE',
  'INSTANCE_CONTROL_QUEUE',
]);

/** `nobody`: for images that name no user, or root. */
const unprivileged = '65534:65534';
const mebibyte = 2 ** 20;

/** Unique in the engine, so that only one container can exist for an instance, whoever creates it. */
export function containerNameOf(instanceId: string): string {
  if (!/^[\w-]+$/.test(instanceId)) throw new TypeError(`An instance id is a uuid, not ${JSON.stringify(instanceId)}.`);
  return `instance-${instanceId}`;
}

/** Nothing of the config is in here: whoever may inspect a container sees its command, environment and labels. */
export function containerOptions({
  request: { instanceId, agentId, generation, spec, control },
  imageUser,
  scope,
}: {
  request: ProvisionRequest<DockerSpec>;
  imageUser: string;
  scope: string;
}): ContainerCreateOptions {
  const memory = spec.memory_mebibytes * mebibyte;
  const environment = {
    ...spec.environment,
    INSTANCE_ID: instanceId,
    INSTANCE_NAME: containerNameOf(instanceId),
    AGENT_ID: agentId,
    INSTANCE_CONFIG_FILE: `${configFolder}/${configName}`,
    ...(control && { INSTANCE_CONTROL_URL: control.url, INSTANCE_CONTROL_QUEUE: control.queue }),
  };
  return {
    name: containerNameOf(instanceId),
    Image: spec.image,
    ...(spec.command && { Cmd: spec.command }),
    User: spec.user ?? (/^(root|0*)(:|$)/.test(imageUser) ? unprivileged : imageUser),
    Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    Labels: {
      [labels.scope]: scope,
      [labels.instanceId]: instanceId,
      [labels.agentId]: agentId,
      [labels.generation]: String(generation),
      [labels.stopGraceSeconds]: String(spec.stop_grace_seconds),
    },
    HostConfig: {
      // A first process that collects orphans and passes signals on: an agent that handles none still ends on SIGTERM.
      Init: spec.init,
      Memory: memory,
      // The sum of memory and swap, so none is swapped.
      MemorySwap: memory,
      NanoCpus: Math.round(spec.cpus * 1e9),
      PidsLimit: spec.pids_limit,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      NetworkMode: spec.network,
      ReadonlyRootfs: spec.read_only,
      Tmpfs: { '/tmp': 'rw,nosuid,nodev,size=64m,mode=1777' },
      // Without a source it is a volume without a name, which goes with the container.
      Mounts: [{ Type: 'volume', Source: '', Target: configFolder }],
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } },
      RestartPolicy: { Name: 'no' },
    },
  };
}
