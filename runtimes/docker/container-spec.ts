import type { ContainerCreateOptions } from 'dockerode';
import type { DockerSpec } from './spec.ts';
import { instanceNameOf } from '../instance-name.ts';
import type { ProvisionRequest } from '../runtime.ts';

/** The labels that the runtime sets on a container. A label cannot be changed once the container exists. */
export const labels = {
  scope: 'instance-engine.scope',
  instanceId: 'instance-engine.instance-id',
  agentId: 'instance-engine.agent-id',
  generation: 'instance-engine.generation',
  stopGraceSeconds: 'instance-engine.stop-grace-seconds',
} as const;

/** The folder of the config: a volume of the container's own, because a read-only image takes no files. */
export const configFolder = '/instance';
export const configName = 'config.json';

/** The variables that every agent gets and that hold no secret. */
export const ownVariables: ReadonlySet<string> = new Set([
  'INSTANCE_ID',
  'INSTANCE_NAME',
  'AGENT_ID',
  'INSTANCE_CONFIG_FILE',
  'INSTANCE_CONTROL_QUEUE',
]);

/** The user and group `nobody`, for images that name no user or root. */
const unprivileged = '65534:65534';
const mebibyte = 2 ** 20;

/** The options hold no config, because everybody who may inspect a container sees its command, environment and labels. */
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
    INSTANCE_NAME: instanceNameOf(instanceId),
    AGENT_ID: agentId,
    INSTANCE_CONFIG_FILE: `${configFolder}/${configName}`,
    ...(control && { INSTANCE_CONTROL_URL: control.url, INSTANCE_CONTROL_QUEUE: control.queue }),
  };
  return {
    name: instanceNameOf(instanceId),
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
      // An init process collects orphans and passes signals on, so an agent without handlers still ends on SIGTERM.
      Init: spec.init,
      Memory: memory,
      // This limits the sum of memory and swap, so there is no swap.
      MemorySwap: memory,
      NanoCpus: Math.round(spec.cpus * 1e9),
      PidsLimit: spec.pids_limit,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      NetworkMode: spec.network,
      ReadonlyRootfs: spec.read_only,
      Tmpfs: { '/tmp': 'rw,nosuid,nodev,size=64m,mode=1777' },
      // Without a source the engine makes an anonymous volume and removes it with the container.
      Mounts: [{ Type: 'volume', Source: '', Target: configFolder }],
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } },
      RestartPolicy: { Name: 'no' },
    },
  };
}
