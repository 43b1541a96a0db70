import { z } from 'zod';
import { id, timestamp } from '../../contracts/fields.ts';
import type { Host } from './hosts.ts';

/** A host as admin_backend answers it and as `npx instances hosts list --json` prints it. */
export const hostJson = z
  .object({
    id: id('The host.'),
    name: z.string().meta({
      description:
        '`HOST_NAME` of its agents_worker, or the namespace where agents are pods. Several hosts may have the same name.',
    }),
    runtime: z.string().meta({ description: 'Kind of the agents that the host runs, e.g. `process`.' }),
    labels: z.record(z.string(), z.string()).meta({ description: 'Only agents whose labels it has are placed here.' }),
    capacity: z.int().nullable().meta({ description: 'Most instances that are placed here at once; null: no limit.' }),
    placed: z.int().nonnegative().meta({ description: 'Number of instances that are placed here.' }),
    can_fence: z.boolean().meta({
      description:
        'Whether the host ends agents with `replace_after_seconds` by itself while it is lost, so that they are replaced.',
    }),
    lease: z
      .object({
        holds: z.boolean().meta({ description: 'Whether the host is in touch with the database.' }),
        until: timestamp('Time at which the lease ends, or at which it has run out.'),
        seconds_left: z
          .number()
          .meta({ description: 'Negative once it has run out. Measured by the clock of PostgreSQL.' }),
      })
      .meta({ description: 'A worker of the host renews it. Once it has run out, the host counts as lost.' }),
    workers: z
      .array(
        z.object({
          id: id('The process.'),
          build: z.string().meta({ description: 'Build of its workflow code.' }),
          started_at: timestamp('Time of its start.'),
        }),
      )
      .meta({ description: 'Processes of agents_worker that serve the host at present.' }),
    drain: z
      .object({
        since: timestamp('Time at which the drain was asked for.'),
        at_once: z.int().positive().meta({ description: 'Number of instances that move at the same time.' }),
        moving: z.int().nonnegative().meta({ description: 'Number of instances that are about to move.' }),
        waiting: z.int().nonnegative().meta({ description: 'Number of instances that fit on no other host.' }),
        left: z.int().nonnegative().meta({ description: 'Number of instances that are still placed here.' }),
      })
      .nullable()
      .meta({
        description: 'Null unless the host drains: then no instance is placed here, and those that are move away.',
      }),
    is_forgotten: z.boolean().meta({
      description:
        'Whether somebody has forgotten the host. It is listed until all of its instances are placed elsewhere.',
    }),
    registered_at: timestamp('Time at which the host first appeared.'),
  })
  .meta({ id: 'Host', description: 'A folder, a Docker engine or a namespace of a cluster in which agents run.' });
export type HostJson = z.infer<typeof hostJson>;

export function hostToJson({ lease, workers, drain, canFence, isForgotten, registeredAt, ...host }: Host): HostJson {
  return {
    ...host,
    can_fence: canFence,
    lease: { holds: lease.holds, until: lease.until.toISOString(), seconds_left: lease.secondsLeft },
    workers: workers.map((worker) => ({
      id: worker.id,
      build: worker.build,
      started_at: worker.startedAt.toISOString(),
    })),
    drain: drain && {
      since: drain.since.toISOString(),
      at_once: drain.atOnce,
      moving: drain.moving,
      waiting: drain.waiting,
      left: drain.left,
    },
    is_forgotten: isForgotten,
    registered_at: registeredAt.toISOString(),
  };
}
