import { z } from 'zod';
import { isImageReference } from './image-reference.ts';

/** What is done when an agent ends without having been asked to; the same for every kind of runtime. */
export const restartSpec = z.strictObject({
  policy: z.enum(['never', 'on_failure', 'always']).default('never'),
  /** In a row. */
  max_restarts: z.int().nonnegative().max(1000).default(5),
  /** Before the first restart; doubled for each further one, up to `max_backoff_seconds`. */
  backoff_seconds: z.number().nonnegative().max(3600).default(1),
  max_backoff_seconds: z.number().nonnegative().max(3600).default(60),
  /** An agent that ran for this long begins a new row of restarts. */
  reset_after_seconds: z.number().positive().default(60),
});
export type RestartSpec = z.infer<typeof restartSpec>;

/** No system can hold a name with `=`, nor a name or value with NUL. */
const environmentVariables = z
  .record(
    z.string().regex(/^[^=\0]+$/, 'is no name of a variable'),
    z.string().regex(/^[^\0]*$/, 'holds the character NUL, which no variable can'),
  )
  .default({});

/**
 * How the `process` runtime runs an agent: what `agents.runtime` holds when its `kind` is `process`.
 * Only whoever publishes agents writes it; nothing in an instance's config can change it.
 */
export const processSpec = z.strictObject({
  kind: z.literal('process'),
  /** Program and arguments. Never passed through a shell. */
  command: z.array(z.string().min(1)).min(1),
  /** Absolute path; the instance's own state folder when left out. */
  working_directory: z.string().startsWith('/').optional(),
  /** Added to the small environment that every agent gets (see `runtimes/process/`). */
  environment: environmentVariables,
  /** `started`: ready once the process exists. `file`: ready once it has created the file `$INSTANCE_READY_FILE`. */
  ready: z.enum(['started', 'file']).default('started'),
  ready_timeout_seconds: z.number().positive().max(3600).default(30),
  /** Between the request to stop (SIGTERM) and the kill (SIGKILL). */
  stop_grace_seconds: z.number().nonnegative().max(600).default(10),
  /** Whether the agent listens for commands: it is then given a control queue and asked over it to stop before SIGTERM. */
  control: z.boolean().default(false),
  restart: restartSpec.prefault({}),
});
export type ProcessSpec = z.infer<typeof processSpec>;

/**
 * How the `docker` runtime runs an agent: what `agents.runtime` holds when its `kind` is `docker`. Whatever is not said
 * here is closed: no capabilities, no new privileges, no mounts of the host, no restarts by the engine.
 */
export const dockerSpec = z.strictObject({
  kind: z.literal('docker'),
  /** With tag or digest, as in `registry.example.com/agent:1.4.2`. Pulled when the engine does not have it. */
  image: z.string().max(512).refine(isImageReference, 'is no name of an image'),
  /** In the place of the image's CMD; its ENTRYPOINT stays. Never passed through a shell. */
  command: z.array(z.string()).min(1).optional(),
  /** Added to that of the image and the small one that every agent gets (see `runtimes/docker/`). */
  environment: environmentVariables,
  /** `name`, `uid` or `uid:gid`. Left out: the image's user, and nobody (65534) where that is root. */
  user: z
    .string()
    .regex(/^[\w.-]+(:[\w.-]+)?$/, 'is no user')
    .optional(),
  /** Memory, without swap; an agent that needs more is ended by the kernel. */
  memory_mebibytes: z.int().min(8).max(65_536).default(256),
  /** Of one CPU, so 0.5 is half of one. */
  cpus: z.number().min(0.01).max(64).default(1),
  /** Processes and threads. */
  pids_limit: z.int().min(2).max(4096).default(128),
  /** Nothing of the image can be written; there is a `/tmp` of 64 MiB, which counts as memory. */
  read_only: z.boolean().default(true),
  /**
   * Whether the engine puts a first process before the agent, which collects orphans and passes signals on. False for an
   * entrypoint that must be process 1 itself, such as systemd or s6: it then has to handle the stop signal.
   */
  init: z.boolean().default(true),
  /** `none`, `bridge` (whatever the host may reach), or a network of the engine by its name; never the host's own. */
  network: z
    .string()
    .regex(/^[a-zA-Z0-9][\w.-]*$/, 'is no name of a network')
    .refine((name) => name !== 'host', "must not be the host's own")
    .default('none'),
  /** `started`: ready once the command runs. `healthcheck`: ready once the HEALTHCHECK of the image succeeds. */
  ready: z.enum(['started', 'healthcheck']).default('started'),
  ready_timeout_seconds: z.number().positive().max(3600).default(30),
  /** Between the request to stop (SIGTERM, or the image's STOPSIGNAL) and the kill; rounded up to whole seconds. */
  stop_grace_seconds: z.number().nonnegative().max(600).default(10),
  /** Whether the agent listens for commands: see `processSpec`. Its network must reach RabbitMQ. */
  control: z.boolean().default(false),
  restart: restartSpec.prefault({}),
});
export type DockerSpec = z.infer<typeof dockerSpec>;

/** What a published agent needs to run, one kind per runtime driver. */
export const runtimeSpec = z.discriminatedUnion('kind', [processSpec, dockerSpec]);
export type RuntimeSpec = z.infer<typeof runtimeSpec>;
