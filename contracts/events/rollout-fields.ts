import { z } from 'zod';
import { id } from '../fields.ts';
import { rolloutReasonCodes } from '../names.ts';

const count = z.int().nonnegative();

/** The numbers of a rollout. */
export const rolloutCounts = {
  wave: count.meta({ description: 'The last wave that was moved; 0 before the first one. Wave 1 is the canary.' }),
  total: count.meta({ description: 'Instances that are to be moved or were moved.' }),
  moved: count.meta({ description: 'Instances that were moved at some time.' }),
  healthy: count.meta({ description: 'Moved instances that are healthy.' }),
  failed: count.meta({ description: 'Moved instances that failed.' }),
};

export const rolloutReason = z
  .object({ code: z.enum(rolloutReasonCodes), message: z.string() })
  .meta({ description: 'Why the rollout has its status, as a code and in words.' });

/** The fields of every event of a rollout. */
export const rolloutFields = {
  rollout_id: id('Id of the rollout.'),
  agent_id: id('Agent whose instances are moved.'),
  version: z.string().min(1).meta({ description: 'Version that the instances are moved to.' }),
};

export const exampleOfRollout = {
  rollout_id: '8a1f0d3c-6b52-4e0f-9a57-2c4d8e6f1b30',
  agent_id: '0b9f5a54-6a0e-4c4b-9d0a-0f6f4d1c7a01',
  version: '1.1.0',
};
