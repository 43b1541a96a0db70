import type { InstanceView } from '../database/instances/view.ts';

type Versions = Pick<
  InstanceView,
  'agent_version' | 'running_version' | 'stable_version' | 'outdated' | 'version_policy'
>;

/** E.g. `version 1 runs, version 2 is to run; the stable version is 3`. Undefined if nothing is known of a version. */
export function versionsInWords(row: Versions): string | undefined {
  const {
    agent_version: wanted,
    running_version: running,
    stable_version: stable,
    outdated,
    version_policy: policy,
  } = row;
  const runs = running === null ? undefined : `version ${running} runs`;
  const isToRun = wanted === null || wanted === running ? undefined : `version ${wanted} is to run`;
  const versions = [runs, isToRun].filter((words) => words !== undefined);
  if (versions.length === 0) return undefined;
  return [
    versions.join(', '),
    ...(outdated ? [`the stable version is ${stable}`] : []),
    ...(policy === 'hold' ? ['rollouts leave it alone'] : []),
  ].join('; ');
}
