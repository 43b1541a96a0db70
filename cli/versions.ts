import { Option } from 'commander';
import pg from 'pg';
import { versionPolicies } from '../contracts/names.ts';
import { CommandError } from './command-error.ts';

export const versionPolicyOption = () =>
  new Option(
    '--version-policy <policy>',
    'whether rollouts change the version (follow) or leave it alone (hold)',
  ).choices(versionPolicies);

/** @returns the error to print where the database refuses the version of an instance; undefined for any other error */
export function versionRefusalOf(error: unknown): CommandError | undefined {
  if (!(error instanceof pg.DatabaseError) || !error.constraint?.startsWith('instances_agent_version_'))
    return undefined;
  const advice = 'Leave --agent-version out for the stable version, or choose another one.';
  return new CommandError(`${error.message}. ${advice}`, { cause: error });
}
