import { z } from 'zod';
import { runtimeSettings } from '../runtimes/registry.ts';
import { defaultTaskQueue, pickRuntimeVariables } from './configuration.ts';
import { InvalidConfiguration, parseSettings, requireEnvironment } from './environment.ts';
import { readRunningStart } from './running-start.ts';
import { serviceSettings } from './settings.ts';
import { findTemporal } from './temporal.ts';

/**
 * The settings of the commands of a terminal. Where the environment names no server, they are those of the `npm start` that runs in this
 * checkout. Each function throws InvalidConfiguration, which says what to set, where its setting is missing or wrong.
 */
export function readCommandLineConfiguration() {
  const given = requireEnvironment();
  const namesServers = ['DATABASE_URL', 'AMQP_URL', 'TEMPORAL_ADDRESS'].some((name) => name in given);
  const environment = namesServers ? given : { ...given, ...readRunningStart(given['STACK_DIRECTORY']) };
  const advice = namesServers ? '' : '; or run npm start in this checkout';
  const read = <Schema extends z.ZodType>(schema: Schema) => parseSettings(schema, environment, { advice });
  return {
    databaseUrl: () => read(serviceSettings.pick({ DATABASE_URL: true })).DATABASE_URL,
    amqpUrl: () => read(serviceSettings.pick({ AMQP_URL: true })).AMQP_URL,
    temporal: () => {
      const temporal = findTemporal(environment);
      if ('problem' in temporal) throw new InvalidConfiguration(`${temporal.problem}${advice}`);
      return temporal;
    },
    deploymentName: () => read(serviceSettings.pick({ TEMPORAL_DEPLOYMENT_NAME: true })).TEMPORAL_DEPLOYMENT_NAME,
    taskQueue: () => read(serviceSettings.pick({ TASK_QUEUE: true })).TASK_QUEUE,
    /** The namespace and task queue, as agents_worker joins them. */
    scope: () => {
      const temporal = findTemporal(environment);
      const { TASK_QUEUE: taskQueue } = read(serviceSettings.pick({ TASK_QUEUE: true }));
      return `${'problem' in temporal ? 'default' : temporal.namespace}/${taskQueue ?? defaultTaskQueue}`;
    },
    runtimeVariables: () => {
      read(z.object(runtimeSettings));
      return pickRuntimeVariables(environment);
    },
    tokens: () => {
      const secret = given['JWT_SECRET'] ?? environment['JWT_SECRET'];
      if (secret === undefined) {
        throw new InvalidConfiguration(`JWT_SECRET is required, as the backends have it${advice}`);
      }
      const { JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = read(
        serviceSettings.pick({ JWT_ISSUER: true, JWT_AUDIENCE: true }),
      );
      return { key: { secret }, issuer, audience };
    },
  };
}
