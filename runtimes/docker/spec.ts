import { z } from 'zod';
import { commonSpecFields, environmentVariables } from '../../contracts/runtime-spec.ts';
import { isImageReference } from '../image-reference.ts';

/**
 * How the `docker` runtime runs an agent: the value of `agents.runtime` when its `kind` is `docker`. Whatever the spec
 * does not open is closed: no capabilities, no new privileges, no mounts of the host, no restarts by the engine.
 */
export const dockerSpec = z.strictObject({
  kind: z.literal('docker'),
  /** With a tag or digest, as in `registry.example.com/agent:1.4.2`. The engine pulls an image that it does not have. */
  image: z.string().max(512).refine(isImageReference, 'is not a valid name of an image'),
  /** Replaces the CMD of the image; its ENTRYPOINT stays. No shell interprets the command. */
  command: z.array(z.string()).min(1).optional(),
  /** Added to the environment of the image and to the small one that every agent gets. */
  environment: environmentVariables,
  /** `name`, `uid` or `uid:gid`. The default is the user of the image, or nobody (65534) where that is root. */
  user: z
    .string()
    .regex(/^[\w.-]+(:[\w.-]+)?$/, 'is not a valid user')
    .optional(),
  /** Memory, without swap. The kernel ends an agent that needs more. */
  memory_mebibytes: z.int().min(8).max(65_536).default(256),
  /** In units of one CPU, so 0.5 is half of one. */
  cpus: z.number().min(0.01).max(64).default(1),
  /** The limit counts processes and threads. */
  pids_limit: z.int().min(2).max(4096).default(128),
  /** Makes the file system of the image read-only. A `/tmp` of 64 MiB stays writable and counts as memory. */
  read_only: z.boolean().default(true),
  /**
   * Whether the engine puts an init process before the agent, which collects orphans and passes signals on. False is for
   * an entrypoint that must be process 1 itself, such as systemd or s6; the entrypoint must then handle the stop signal.
   */
  init: z.boolean().default(true),
  /** `none`, `bridge` (the agent reaches what the host reaches), or the name of a network of the engine. */
  network: z
    .string()
    .regex(/^[a-zA-Z0-9][\w.-]*$/, 'is not a valid name of a network')
    .refine((name) => name !== 'host', 'must not be the network of the host')
    .default('none'),
  /** `started`: the agent is ready once its command runs. `healthcheck`: once the HEALTHCHECK of the image succeeds. */
  ready: z.enum(['started', 'healthcheck']).default('started'),
  ...commonSpecFields,
});
export type DockerSpec = z.infer<typeof dockerSpec>;
