import { z } from 'zod';
import { deploymentStrategy } from '../../../contracts/deployment-strategy.ts';
import { id } from '../../../contracts/fields.ts';
import { deploymentFindings, deploymentNamePattern, deploymentStatuses } from '../../../contracts/names.ts';
import { deploymentInstance, deploymentJson, workerBuild } from '../../../database/deployments/deployment-json.ts';
import { limitOf } from '../../http/query.ts';

const { $schema: _, ...strategyJsonSchema } = z.toJSONSchema(deploymentStrategy, { io: 'input' });

/** Validated when the deployment is requested, so that all its faults are answered in the same way. */
const strategy = z
  .unknown()
  .refine((given) => typeof given === 'object' && given !== null && !Array.isArray(given), 'It must be an object.')
  .transform((given) => given as object)
  .meta({
    ...strategyJsonSchema,
    description: 'How the deployment proceeds. docs/deployments.md has its members and defaults.',
  });

export const deploymentPath = z.object({ id: id('The deployment.').toLowerCase() });

export const idempotencyKey = z
  .string()
  .regex(/^[\x20-\x7e]{1,255}$/, 'must be 1 to 255 printable characters')
  .meta({ description: 'A repeat of the same admin with the same key requests nothing, and gets the deployment.' });

/** The patterns of names are checked when the deployment is requested, because their violation says more than a pattern. */
export const newDeployment = z
  .strictObject({
    deployment_name: z.string().meta({ description: '`TEMPORAL_DEPLOYMENT_NAME` of the agents_workers.' }),
    build_id: z
      .string()
      .meta({ description: '`TEMPORAL_WORKER_BUILD_ID` of the build that is to become the current one.' }),
    strategy: strategy.optional(),
  })
  .meta({ id: 'NewDeployment' });

export const deploymentQuery = z.strictObject({
  deployment_name: z
    .string()
    .regex(deploymentNamePattern)
    .meta({ description: 'Only deployments of this name.' })
    .optional(),
  status: z.enum(deploymentStatuses).optional(),
  limit: limitOf(1_000, 100),
});

export const deploymentList = z.object({ deployments: z.array(deploymentJson) });

const place = new RegExp(`^[\\da-f]{8}(-[\\da-f]{4}){3}-[\\da-f]{12}:(${deploymentFindings.join('|')})$`);

export const findingQuery = z.strictObject({
  finding: z.enum(deploymentFindings).optional(),
  healed: z
    .stringbool({ truthy: ['true'], falsy: ['false'] })
    .meta({ type: 'boolean', description: 'Only instances that are well again, or only those that are not.' })
    .optional(),
  after: z
    .string()
    .regex(place, 'must be next_after of another page')
    .meta({ description: '`next_after` of the page before.' })
    .transform((text) => {
      const [instance_id = '', finding] = text.split(':');
      return { instance_id, finding: finding as (typeof deploymentFindings)[number] };
    })
    .optional(),
  limit: limitOf(1_000, 200),
});

export const findingPage = z.object({
  instances: z.array(deploymentInstance),
  next_after: z.string().nullable().meta({ description: '`after` of the next page; null on the last one.' }),
});

export const buildList = z.object({ builds: z.array(workerBuild) });
