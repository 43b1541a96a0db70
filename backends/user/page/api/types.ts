import type { z } from 'zod';
import type { deadLetterJson, inspectedLetterJson } from '../../../../bridge/dead-letters/letter-json.ts';
import type * as deploymentRows from '../../../../database/deployments/deployment-json.ts';
import type * as rolloutRows from '../../../../database/rollouts/rollout-json.ts';
import type { explanation } from '../../../../explain/explanation.ts';
import type * as agents from '../../../admin/agents/schemas.ts';
import type * as audit from '../../../admin/audit/schemas.ts';
import type * as deployments from '../../../admin/deployments/schemas.ts';
import type * as hosts from '../../../admin/hosts/schemas.ts';
import type * as rollouts from '../../../admin/rollouts/schemas.ts';
import type { letterList } from '../../../admin/dead-letters/schemas.ts';
import type * as user from '../../schemas.ts';

/**
 * Bodies that the page sends and reads, derived from the schemas of the backends. Only types are imported: the schemas
 * themselves would bring the libraries of the servers into browsers.
 */
export type Json = Record<string, unknown>;

export type Me = z.infer<typeof user.me>;
export type PageSettings = z.infer<typeof user.pageSettings>;

/** Lists leave the config out. */
export type Instance = user.InstanceSummary & { config?: Json };
export type InstancePage = z.infer<typeof user.instancePage>;
export type NewInstance = z.input<typeof user.newInstance>;
export type InstanceChange = z.input<typeof user.instanceChange>;
export type CatalogAgent = z.infer<typeof user.catalogAgent>;

export type Explanation = z.infer<typeof explanation>;
export type TimelineLine = Explanation['timeline'][number];
export type TimelineSource = TimelineLine['source'];

export type ListedAgent = agents.ListedAgent;
export type Agent = agents.Agent;
export type AgentVersion = z.infer<typeof agents.agentVersion>;
export type AgentFields = Omit<agents.NewAgent, 'id' | 'runtime'> & { runtime: Json };

export type Rollout = rolloutRows.RolloutJson;
export type RolloutWithWaves = rolloutRows.RolloutWithWaves;
export type Wave = RolloutWithWaves['waves'][number];
export type MovedInstance = rolloutRows.MovedInstance;
export type MovedPage = z.infer<typeof rollouts.movedPage>;
export type NewRollout = z.input<typeof rollouts.newRollout>;
export type { RolloutAction } from '../../../../database/rollouts/request.ts';

export type Deployment = deploymentRows.DeploymentJson;
export type DeploymentInstance = deploymentRows.DeploymentInstance;
export type FindingPage = z.infer<typeof deployments.findingPage>;
export type WorkerBuild = deploymentRows.WorkerBuild;
export type NewDeployment = z.input<typeof deployments.newDeployment>;
export type { DeploymentAction } from '../../../../database/deployments/request.ts';

export type AuditPage = z.infer<typeof audit.auditPage>;
export type AuditEntry = AuditPage['entries'][number];
export type AuditVerification = z.infer<typeof audit.verificationAnswer>;

export type HostList = z.infer<typeof hosts.hostList>;
export type Host = HostList['hosts'][number];

export type DeadLetters = z.infer<typeof letterList>;
export type DeadLetter = z.infer<typeof deadLetterJson>;
export type DeadLetterContent = z.infer<typeof inspectedLetterJson>;

/** docs/live-updates.md describes what the WebSocket sends. */
export type LiveMessage = InstanceEvent | { type: 'ready' } | { type: 'lagging' } | { type: 'resync'; reason: string };

export interface InstanceEvent extends Pick<
  Instance,
  'sequence' | 'agent_id' | 'user_id' | 'desired_state' | 'generation' | 'observed_generation'
> {
  type: 'instance.updated' | 'instance.deleted';
  event_id: string;
  /** The documented body of the event. */
  instance: {
    instance_id: string;
    status?: Instance['status'];
    metadata?: { status_reason?: Instance['reason'] };
    updated_at?: string;
    host_id?: string | null;
    agent_version?: string | null;
    running_version?: string | null;
    version_policy?: Instance['version_policy'];
  };
}
