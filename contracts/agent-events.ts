import { z } from 'zod';

/** Body of `agent.published`, version 1. */
export const agentPublished = z.object({
  agent_id: z.uuid(),
  name: z.string().min(1),
  version: z.string().min(1),
  capabilities: z.array(z.string()),
});
export type AgentPublished = z.infer<typeof agentPublished>;

/** Body of `agent.retired`, version 1. */
export const agentRetired = z.object({
  agent_id: z.uuid(),
  retired_at: z.iso.datetime(),
  /** Whether the instances that run are stopped; left out means that they go on. */
  drain: z.boolean().optional(),
});
export type AgentRetired = z.infer<typeof agentRetired>;
