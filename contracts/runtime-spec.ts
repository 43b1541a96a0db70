import { z } from 'zod';

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
  environment: z.record(z.string(), z.string()).default({}),
  /** `started`: ready once the process exists. `file`: ready once it has created the file `$INSTANCE_READY_FILE`. */
  ready: z.enum(['started', 'file']).default('started'),
  ready_timeout_seconds: z.number().positive().max(3600).default(30),
  /** Between the request to stop (SIGTERM) and the kill (SIGKILL). */
  stop_grace_seconds: z.number().nonnegative().max(600).default(10),
});
export type ProcessSpec = z.infer<typeof processSpec>;

/** What a published agent needs to run, one kind per runtime driver. */
export const runtimeSpec = z.discriminatedUnion('kind', [processSpec]);
export type RuntimeSpec = z.infer<typeof runtimeSpec>;
