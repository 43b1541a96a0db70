import { z } from 'zod';
import { id, json, timestamp } from '../../contracts/fields.ts';
import { desiredStates, instanceStatuses, reasonCodes, versionPolicies } from '../../contracts/names.ts';

/** Requests and answers of user_backend. Their descriptions become those of the OpenAPI document. */

const wantedVersion = z.string().min(1);
const version = (description: string) => z.int().min(0).meta({ description });

const instanceFields = {
  id: id('The instance.'),
  agent_id: id('The agent that it runs.'),
  agent_name: z.string().nullable().meta({ description: 'Null if the agent is not published.' }),
  agent_version: z
    .string()
    .nullable()
    .meta({ description: 'Version that it is to run; null if the agent is not published.' }),
  running_version: z.string().nullable().meta({ description: 'Version that runs; null if none does.' }),
  stable_version: z
    .string()
    .nullable()
    .meta({ description: 'Version that new instances of the agent get; null if the agent is not published.' }),
  version_policy: z
    .enum(versionPolicies)
    .meta({ description: 'Whether rollouts change `agent_version` (`follow`) or leave it (`hold`).' }),
  outdated: z.boolean().meta({ description: 'Whether `agent_version` is not the stable version.' }),
  agent_retired: z.boolean(),
  user_id: id('Owner of the instance.'),
  host_id: id('Host that its agent runs on or may run on; null if it has none.').nullable(),
  desired_state: z.enum(desiredStates).meta({ description: 'State that the owner wants.' }),
  status: z.enum(instanceStatuses).meta({ description: 'Current state.' }),
  reason: z
    .object({ code: z.enum(reasonCodes), message: z.string() })
    .nullable()
    .meta({ description: 'Reason of the status; null if the status needs none.' }),
  metadata: json('Further facts, which any client may write.'),
  generation: version('Number of changes to the agent, its version, config and desired state.'),
  observed_generation: version('Generation that `status` describes.'),
  sequence: version('Version of the row. Its events carry the same number.'),
  created_at: timestamp('Time of creation.'),
  updated_at: timestamp('Time of the last change.'),
};

export const instanceSummary = z
  .object(instanceFields)
  .meta({ id: 'InstanceSummary', description: 'An instance without its config.' });
export type InstanceSummary = z.infer<typeof instanceSummary>;

export const instance = z
  .object({ ...instanceFields, config: json('Configuration that the agent reads at its start.') })
  .meta({ id: 'Instance', description: 'An agent that runs, or is to run, for a user.' });
export type Instance = z.infer<typeof instance>;

export const instancePage = z
  .object({
    instances: z.array(instanceSummary),
    next_cursor: z.string().nullable().meta({ description: '`cursor` of the next page; null on the last one.' }),
  })
  .meta({ id: 'InstancePage' });

export const newInstance = z
  .strictObject({
    agent_id: id('The agent to run.'),
    config: json('Configuration that the agent reads at its start: at most 4 MiB.').default({}),
    desired_state: z.enum(desiredStates).default('running'),
    agent_version: wantedVersion.meta({ description: 'Version to run; the stable one if it is left out.' }).optional(),
    version_policy: z.enum(versionPolicies).default('follow'),
  })
  .meta({ id: 'NewInstance' });

export const instanceChange = z
  .strictObject({
    agent_id: id('Agent to run from now on.').optional(),
    config: json('Replaces the config as a whole.').optional(),
    desired_state: z.enum(desiredStates).optional(),
    agent_version: wantedVersion
      .meta({ description: 'Version to run from now on. If it is left out, a new agent gives its stable version.' })
      .optional(),
    version_policy: z.enum(versionPolicies).optional(),
  })
  .refine(
    (change) => Object.keys(change).length > 0,
    'Name at least one of agent_id, agent_version, version_policy, config and desired_state.',
  )
  .meta({ id: 'InstanceChange', minProperties: 1 });

export const catalogAgent = z
  .object({
    id: id('The agent.'),
    name: z.string(),
    version: z.string().meta({ description: 'The version that was published last.' }),
    stable_version: z.string().meta({ description: 'Version that new instances get.' }),
    capabilities: z.array(z.string()).meta({ description: 'Names of what the agent can do, in its newest version.' }),
    retired_at: timestamp('Time of its retirement; null if new instances may use it.').nullable(),
  })
  .meta({ id: 'CatalogAgent', description: 'A published agent.' });
export type CatalogAgent = z.infer<typeof catalogAgent>;

export const agentParams = z.object({ id: id('The agent.') });
export const instanceParams = z.object({ id: id('The instance.') });

export const me = z
  .object({
    user_id: id('The user.'),
    is_admin: z.boolean(),
    expires_at: timestamp('Time at which the token expires.'),
    instance_limit: z
      .object({
        at_most: z.int().nonnegative().meta({ description: 'Number of instances that the user may have.' }),
        present: z
          .int()
          .nonnegative()
          .meta({ description: 'Number of instances that the user has, whatever their status.' }),
      })
      .nullable()
      .meta({ description: 'Null if the number of instances is not limited.' }),
  })
  .meta({ id: 'Me', description: 'The caller, as the token names it, and how many instances it may have.' });

export const pageSettings = z
  .object({
    admin_backend_url: z.string().nullable().meta({ description: 'Null if the page offers no views for admins.' }),
    temporal_ui_url: z.string().nullable().meta({
      description:
        'Address of the workflows in the Web UI; an encoded workflow id may follow. Null if there is no Web UI.',
    }),
  })
  .meta({ id: 'PageSettings', description: 'Addresses of other services that the page uses.' });
