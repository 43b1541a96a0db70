import { z } from 'zod';
import { commonSpecFields, environmentVariables } from '../../contracts/runtime-spec.ts';
import { isImageReference } from '../image-reference.ts';

/** The kubelet asks this from the start of the container on. The agent is ready after the first success. */
const readinessProbe = z
  .strictObject({
    /** Runs in the container, and succeeds with exit code 0. No shell interprets the command. */
    command: z.array(z.string()).min(1).optional(),
    /** A port of the pod. The probe succeeds once it accepts a connection, or answers `http_path`. */
    port: z.int().min(1).max(65_535).optional(),
    /** Asked over HTTP. An answer from 200 to 399 is a success. */
    http_path: z.string().startsWith('/').max(1024).optional(),
    period_seconds: z.int().min(1).max(60).default(1),
    timeout_seconds: z.int().min(1).max(60).default(1),
  })
  .refine(({ command, port }) => (command === undefined) !== (port === undefined), 'needs either a command or a port')
  .refine(({ http_path: path, port }) => path === undefined || port !== undefined, 'needs a port for its http_path');

/**
 * How the `kubernetes` runtime runs an agent: the value of `agents.runtime` when its `kind` is `kubernetes`. Whatever the
 * spec does not open is closed: no root, no capabilities, no new privileges, no account of the cluster, no volumes, no
 * restarts by the kubelet.
 */
export const kubernetesSpec = z.strictObject({
  kind: z.literal('kubernetes'),
  /** With a tag or digest, as in `registry.example.com/agent:1.4.2`. A node pulls an image that it does not have. */
  image: z.string().max(512).refine(isImageReference, 'is not a valid name of an image'),
  /** Replaces the CMD of the image; its ENTRYPOINT stays. Neither a shell nor Kubernetes interprets the command. */
  command: z.array(z.string()).min(1).optional(),
  /** Added to the environment of the image and to the small one that every agent gets. */
  environment: environmentVariables,
  /** `uid` or `uid:gid`. The default is the user of the image, which must then be a number other than 0. */
  user: z
    .string()
    .regex(/^\d{1,9}(:\d{1,9})?$/, 'is not a valid user: it needs a number, or two with a colon between them')
    .optional(),
  /** The memory that the pod requests, and its limit. The kernel ends an agent that needs more. */
  memory_mebibytes: z.int().min(8).max(1_048_576).default(256),
  /** The processing time that the pod requests, and its limit, in units of one CPU: 0.5 is half of one. */
  cpus: z.number().min(0.01).max(256).default(1),
  /** Makes the file system of the image read-only. A `/tmp` of 64 MiB stays writable and counts as memory. */
  read_only: z.boolean().default(true),
  /**
   * Whether the pod has an init process, which collects orphans and lets an agent without handlers end on SIGTERM. False is
   * for an entrypoint that must be process 1 itself, such as systemd or s6.
   */
  init: z.boolean().default(true),
  /**
   * `none`: the NetworkPolicy of the manifest lets the pod reach nothing. `cluster`: the policies of the namespace alone
   * limit what it reaches.
   */
  network: z.enum(['none', 'cluster']).default('none'),
  /** When the agent is ready. Without a probe, it is ready once its container runs. */
  readiness_probe: readinessProbe.optional(),
  ...commonSpecFields,
});
export type KubernetesSpec = z.infer<typeof kubernetesSpec>;
