import { z } from 'zod';
import { rolloutCounts, rolloutReason } from '../../contracts/events/rollout-fields.ts';
import { id, json, timestamp } from '../../contracts/fields.ts';
import { instanceStatuses, rolloutDesiredStates, rolloutOutcomes, rolloutStatuses } from '../../contracts/names.ts';

const count = (description: string) => z.int().nonnegative().meta({ description });
const { wave, total, moved, healthy, failed } = rolloutCounts;

/** A rollout as admin_backend answers it and as `npx instances rollouts list --json` prints it. */
export const rolloutJson = z
  .object({
    id: id('The rollout.'),
    agent_id: id('The agent whose instances are moved.'),
    agent_name: z.string(),
    version: z.string().meta({ description: 'Version that the instances are moved to.' }),
    strategy: json('Strategy as it was given: what is left out has its default.'),
    desired_state: z.enum(rolloutDesiredStates).meta({ description: 'State that the rollout is asked to reach.' }),
    promoted: z.boolean().meta({ description: 'Whether somebody allowed the waves after the canary.' }),
    status: z.enum(rolloutStatuses),
    reason: rolloutReason.nullable(),
    wave,
    total,
    moved,
    healthy,
    failed,
    reverted: count('Instances that were given back their version.'),
    requested_by: z
      .string()
      .nullable()
      .meta({ description: 'Who requested it: the id of an admin, a user at the command line, or `publication`.' }),
    created_at: timestamp('Time of its request.'),
    updated_at: timestamp('Time of its last change.'),
    ended_at: timestamp('Time of its end; null before.').nullable(),
  })
  .meta({ id: 'Rollout', description: 'It gives the instances of an agent another version, wave by wave.' });
export type RolloutJson = z.infer<typeof rolloutJson>;

const rolloutWave = z.object({
  wave: z.int().positive(),
  is_canary: z.boolean(),
  moved_at: timestamp('Time at which the wave was moved.'),
  instances: count('Instances of the wave.'),
  awaited: count('Instances whose health is awaited.'),
  healthy: count('Instances that are healthy.'),
  failed: count('Instances that failed.'),
  left: count('Instances that were deleted or stopped, or got another version from a user.'),
  reverted: count('Instances that were given back their version.'),
  unjudged: count('Instances that did not run before their move, and so say nothing about the version.'),
});

/** A rollout with its waves, the latest first. */
export const rolloutWithWaves = rolloutJson
  .extend({ waves: z.array(rolloutWave) })
  .meta({ id: 'RolloutWithWaves', description: 'A rollout with its waves, the latest one first.' });
export type RolloutWithWaves = z.infer<typeof rolloutWithWaves>;

export const movedInstance = z
  .object({
    instance_id: id('The instance. It may have been deleted since.'),
    wave: z.int().positive(),
    from_version: z.string().nullable().meta({ description: 'Version that it gets back in a rollback.' }),
    outcome: z.enum(rolloutOutcomes).meta({
      description:
        '`moved`: its health is awaited, if it is judged. `left`: it was deleted or stopped, or a user chose another version.',
    }),
    judged: z
      .boolean()
      .meta({ description: 'False if it did not run before its move: then its outcome stays `moved`.' }),
    excused: z
      .boolean()
      .meta({ description: 'Whether it cannot run for a reason that is not the fault of the version.' }),
    message: z.string().nullable().meta({ description: 'Why it failed.' }),
    moved_at: timestamp('Time of its move.'),
    outcome_at: timestamp('Time of its outcome.'),
    status: z.enum(instanceStatuses).nullable().meta({ description: 'Its status now; null if it was deleted.' }),
    agent_version: z.string().nullable().meta({ description: 'Version that it is to run now.' }),
    running_version: z.string().nullable().meta({ description: 'Version that it runs now.' }),
  })
  .meta({ id: 'MovedInstance', description: 'An instance that a rollout moved.' });
export type MovedInstance = z.infer<typeof movedInstance>;
