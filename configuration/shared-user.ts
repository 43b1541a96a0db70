import type { Configuration } from './configuration.ts';
import { readExposedSecrets } from './environment.ts';

/**
 * The warning of agents_worker when process agents run as its own user, with advice. Undefined when process agents may not start or
 * have users of their own.
 */
export function findSharedUser(
  { allowedRuntimes, runtimeVariables }: Pick<Configuration, 'allowedRuntimes' | 'runtimeVariables'>,
  exposed: readonly string[] = readExposedSecrets(),
): string | undefined {
  if (!allowedRuntimes.includes('process') || runtimeVariables['AGENT_UIDS'] !== undefined) return undefined;
  const files = exposed.map((name) => `${name}_FILE`).join(', ');
  return (
    'Agents of the kind process run as the user of agents_worker. They can read what this user can, the memory and the files of its ' +
    'processes and of other agents included, and end them. Set AGENT_UIDS (as root on Linux) to give each agent a user of its own, or ' +
    'ALLOWED_RUNTIMES=docker to run containers alone.' +
    (exposed.length === 0
      ? ''
      : ` Until then, any agent finds ${exposed.join(', ')} in the environment of whatever started this process, such as npm or a ` +
        `shell: give files instead (${files}), and take them away once the process has started.`)
  );
}
