import { z } from 'zod';
import { instanceStatuses } from './names.ts';

const timestamp = z.iso.datetime();

/** Body of `instance.created`, version 1. */
export const instanceCreated = z.object({
  instance_id: z.uuid(),
  agent_id: z.uuid(),
  user_id: z.uuid(),
  config: z.record(z.string(), z.unknown()),
  created_at: timestamp,
  status: z.literal('pending'),
});
export type InstanceCreated = z.infer<typeof instanceCreated>;

/** Body of `instance.updated`, version 1. `metadata.status_reason` says why an instance is `failed`. */
export const instanceUpdated = z.object({
  instance_id: z.uuid(),
  status: z.enum(instanceStatuses),
  metadata: z.record(z.string(), z.unknown()).optional(),
  updated_at: timestamp,
});
export type InstanceUpdated = z.infer<typeof instanceUpdated>;

/** Body of `instance.deleted`, version 1. */
export const instanceDeleted = z.object({
  instance_id: z.uuid(),
  agent_id: z.uuid(),
  user_id: z.uuid(),
  deleted_at: timestamp,
});
export type InstanceDeleted = z.infer<typeof instanceDeleted>;
