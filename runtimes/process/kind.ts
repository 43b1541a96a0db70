import { z } from 'zod';
import { defineKind } from '../kind.ts';
import { processSpec } from './spec.ts';

const userRange = z
  .string()
  .regex(/^[1-9]\d{0,9}-[1-9]\d{0,9}$/, 'must be two user ids such as 200000-209999')
  .transform((text) => {
    const [first = 0, last = 0] = text.split('-').map(Number);
    return { first, last };
  })
  .refine(({ first, last }) => first <= last && last < 2 ** 32 - 1, 'must be a range of user ids');

export const processKind = defineKind({
  spec: processSpec,
  settings: {
    RUNTIME_DIRECTORY: z
      .string()
      .min(1)
      .default('.stack/runtime')
      .meta({ description: 'Folder of the process runtime. It has to survive a restart of agents_worker.' }),
    AGENT_UIDS: userRange.optional().meta({
      description:
        'Range of user ids, e.g. `200000-209999`, that gives each `process` agent a user of its own. It needs root.',
      otherwise: 'agents run as agents_worker and [read what it can](#what-process-agents-can-read)',
    }),
  },
  async open({ RUNTIME_DIRECTORY: directory, AGENT_UIDS }, { logger, hostEnvironment, readOnly }) {
    const { createProcessRuntime } = await import('./process-runtime.ts');
    const agentUsers = readOnly ? undefined : AGENT_UIDS;
    return createProcessRuntime({ directory, agentUsers, hostEnvironment, readOnly, logger });
  },
});
