import { z } from 'zod';

/** What happens when an agent ends although nobody asked it to. The policy is the same for every kind of runtime. */
export const restartSpec = z.strictObject({
  policy: z.enum(['never', 'on_failure', 'always']).default('never'),
  /** Restarts in a row. */
  max_restarts: z.int().nonnegative().max(1000).default(5),
  /** The pause before the first restart. It doubles for each further restart, up to `max_backoff_seconds`. */
  backoff_seconds: z.number().nonnegative().max(3600).default(1),
  max_backoff_seconds: z.number().nonnegative().max(3600).default(60),
  /** An agent that has run for this long starts a new row of restarts. */
  reset_after_seconds: z.number().positive().default(60),
});
export type RestartSpec = z.infer<typeof restartSpec>;

/** Operating systems allow no `=` in a variable's name, and no NUL in its name or value. */
export const environmentVariables = z
  .record(
    z.string().regex(/^[^=\0]+$/, 'is not a valid name of a variable'),
    z.string().regex(/^[^\0]*$/, 'contains the character NUL, which a variable cannot hold'),
  )
  .default({});

const hostLabels = z
  .record(
    z
      .string()
      .max(100)
      .regex(/^[^\s=,]+$/, 'is not a valid name of a label: it needs a character, and no space, `=` or `,`'),
    z
      .string()
      .max(100)
      .regex(/^[^\s,]*$/, 'is not a valid value of a label: it may have no space and no `,`'),
  )
  .default({});

/** The only member of an object in a config that stands for a secret: `{"$secret": "name"}`. */
export const referenceKey = '$secret';

/** It may also be the name of a file. */
export const secretName = z
  .string()
  .max(253)
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, 'is not a valid name of a secret: it has letters, digits, `_`, `-` and `.`');

/**
 * The fields of `runtime` of a version of an agent that every kind of runtime has. Each kind adds its own in `runtimes/<kind>/spec.ts`.
 * Only the publisher of an agent writes it; the config of an instance cannot change it.
 */
export const commonSpecFields = {
  /** How long an agent may take to become ready. */
  ready_timeout_seconds: z.number().positive().max(3600).default(30),
  /** The time between the request to stop (usually SIGTERM) and the kill. */
  stop_grace_seconds: z.number().nonnegative().max(600).default(10),
  /** Whether the agent listens for commands. It then has a control queue, which asks it to stop before SIGTERM does. */
  control: z.boolean().default(false),
  restart: restartSpec.prefault({}),
  /**
   * The secrets of the host that configs of the agent may refer to, as `{"$secret": "name"}`. The agent gets the secret in the place of the
   * reference. Without any, such an object is data as any other.
   */
  secrets: z.array(secretName).max(100).default([]),
  /** The agent runs only on hosts that have all of these labels (`HOST_LABELS` of agents_worker). */
  host_labels: hostLabels,
  /**
   * How long a host may be lost before its instances of the agent are placed on another host. The lost host ends them before that.
   * Without it, they wait until the host is back.
   */
  replace_after_seconds: z.int().min(10).max(604_800).optional(),
};
