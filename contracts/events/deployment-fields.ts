import { z } from 'zod';
import { id } from '../fields.ts';
import { deploymentReasonCodes } from '../names.ts';

const count = (description: string) => z.int().nonnegative().meta({ description });

/** Examples in rows and events. The full lists are in `deployment_instances`. */
export const mostExamples = 20;

export const deploymentReason = z
  .object({ code: z.enum(deploymentReasonCodes), message: z.string() })
  .meta({ description: 'Why the deployment has its status, as a code and in words.' });

export const deploymentGate = z
  .object({
    replayed: count('Histories that the candidate replayed.'),
    failed: count('Histories that the candidate cannot replay.'),
    problems: z
      .array(z.string())
      .meta({ description: 'What the candidate finds wrong with the contracts and the migrations, as sentences.' }),
    examples: z
      .array(z.object({ workflow_id: z.string(), run_id: z.string(), message: z.string() }))
      .max(mostExamples)
      .meta({ description: 'The first histories that the candidate cannot replay, and what differs.' }),
  })
  .meta({ description: 'What came of the replay of open histories by the candidate.' });
export type DeploymentGate = z.infer<typeof deploymentGate>;

export const deploymentBlastRadius = z
  .object({
    examined: count('Instances whose next step was examined.'),
    changed: count('Instances for which the candidate would do something at their next task.'),
    disruptive: count('Of these, instances that it would restart or stop. The strategy limits this number.'),
    effects: z
      .object({
        start: count('Instances whose agent would start.'),
        restart: count('Instances whose agent would be replaced.'),
        stop: count('Instances whose agent would stop.'),
        record: count('Instances whose status would change.'),
        end: count('Instances whose workflow would end.'),
      })
      .partial()
      .meta({ description: 'How many instances would have each effect.' }),
    examples: z
      .array(z.object({ workflow_id: z.string(), effect: z.string() }))
      .max(mostExamples)
      .meta({ description: 'The first of these instances, and the effect that each would have.' }),
  })
  .meta({ description: 'What the candidate would do with the live instances at their next task.' });
export type DeploymentBlastRadius = z.infer<typeof deploymentBlastRadius>;

/** The fields of every event of a deployment. */
export const deploymentFields = {
  deployment_id: id('Id of the deployment.'),
  deployment_name: z.string().min(1).meta({ description: 'Deployment name of agents_worker at Temporal.' }),
  build_id: z.string().min(1).meta({ description: 'Build that the deployment carries: the candidate.' }),
  previous_build_id: z
    .string()
    .nullable()
    .meta({ description: 'Build that was current before; null if there was none, or workers had no build.' }),
};

/** How far a deployment is. */
export const deploymentProgress = {
  percentage: z
    .number()
    .min(0)
    .max(100)
    .meta({ description: 'Part of the instances that the candidate serves, in percent.' }),
  step: count('The last step of the strategy that was taken; 0 before the first one.'),
  held: count('Instances that stay on the previous build, because the candidate cannot replay them.'),
  reset_instances: count('Instances whose workflow was reset in a rollback, so that the previous build can go on.'),
};

export const exampleOfDeployment = {
  deployment_id: '3b7f6c1e-2d84-4f0a-8a35-61c0f2f4b9d1',
  deployment_name: 'agents-worker',
  build_id: '1.5.0-9f2c41d07ab3',
  previous_build_id: '1.4.0-51b6e0c8d2f4',
};
