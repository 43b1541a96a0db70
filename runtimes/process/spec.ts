import { z } from 'zod';
import { commonSpecFields, environmentVariables } from '../../contracts/runtime-spec.ts';

/** How the `process` runtime runs an agent: the value of `agents.runtime` when its `kind` is `process`. */
export const processSpec = z.strictObject({
  kind: z.literal('process'),
  /** Program and arguments. No shell interprets them. */
  command: z.array(z.string().min(1)).min(1),
  /** Absolute path. The default is the state folder of the instance. */
  working_directory: z.string().startsWith('/').optional(),
  /** Added to the small environment that every agent gets (see README.md). */
  environment: environmentVariables,
  /** `started`: the agent is ready once its process exists. `file`: once it has created `$INSTANCE_READY_FILE`. */
  ready: z.enum(['started', 'file']).default('started'),
  ...commonSpecFields,
});
export type ProcessSpec = z.infer<typeof processSpec>;
