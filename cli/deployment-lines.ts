import type { DeploymentFinding, DeploymentStatus } from '../contracts/names.ts';
import type { DeploymentInstance, DeploymentJson, WorkerBuild } from '../database/deployments/deployment-json.ts';
import { plainLine } from './plain-text.ts';
import { clipped, colors, fittingTable, table, type Column as ColumnOf, type Layout } from './terminal.ts';

type Column = ColumnOf<DeploymentJson>;

/** A terminal gets the first of several forms that fits its width, a file or a pipe gets everything. */
export function toDeploymentTable(deployments: readonly DeploymentJson[], { formatTime, width }: Layout): string[] {
  const id = (length?: number): Column => ({ head: 'ID', cell: (deployment) => deployment.id.slice(0, length) });
  const name = (length?: number): Column => ({
    head: 'NAME',
    cell: (deployment) => clipped(plainLine(deployment.deployment_name), length),
  });
  const build = (length?: number): Column => ({
    head: 'BUILD',
    cell: (deployment) => clipped(plainLine(deployment.build_id), length),
  });
  const status: Column = { head: 'STATUS', cell: ({ status: of }) => colorOfDeployment(of)(of) };
  const part: Column = { head: 'PART', cell: ({ percentage }) => `${percentage} %` };
  const requested: Column = { head: 'REQUESTED', cell: (deployment) => formatTime(new Date(deployment.requested_at)) };
  const reason: Column = { head: 'REASON', cell: (deployment) => deployment.reason?.code ?? '' };
  return fittingTable(
    deployments,
    [
      [id(), name(), build(), status, part, requested, reason],
      [id(8), name(20), build(24), status, part, requested, reason],
      [id(8), build(20), status, part],
    ],
    width,
  );
}

/** E.g. `It is ramping: the candidate serves 10 % of the instances, in step 2 of 4.` */
export function deploymentInWords(deployment: DeploymentJson): string {
  const { reason } = deployment;
  return `${statusInWords(deployment)}${reason ? ` ${plainLine(reason.message)}` : ''}`;
}

function statusInWords({ status, percentage, step, reset_instances: reset, steps }: DeploymentJson): string {
  const part = `the candidate serves ${percentage} % of the instances`;
  switch (status) {
    case 'requested':
      return 'It is requested.';
    case 'waiting':
      return 'It waits for workers of the candidate.';
    case 'checking':
      return 'It is checked: the candidate replays the open histories.';
    case 'ramping':
      return `It is ramping: ${part}, in step ${step} of ${steps.length}.`;
    case 'promoting':
      return 'It is being promoted.';
    case 'promoted':
      return 'It is promoted: the candidate is the current build, and the previous build drains.';
    case 'drained':
      return 'It is drained: the candidate is the current build, and the previous build is not needed any more.';
    case 'paused':
      return `It is paused: ${part}.`;
    case 'rolling_back':
      return 'It is rolling back: the previous build gets the instances.';
    case 'refused':
      return 'It is refused: the candidate got no instance.';
    case 'rolled_back':
      return `It is rolled back: the previous build serves the instances. ${reset} ${reset === 1 ? 'workflow was' : 'workflows were'} reset.`;
    case 'aborted':
      return 'It is aborted.';
    case 'superseded':
      return 'It is superseded.';
  }
}

/** @param found the first instances of which something was found */
export function describeDeployment(
  deployment: DeploymentJson,
  found: readonly DeploymentInstance[],
  { formatTime }: Layout,
): string[] {
  const { id, deployment_name: name, build_id: build, previous_build_id: previous, requested_by: by } = deployment;
  const from = by === null ? '' : ` by ${plainLine(by)}`;
  return [
    `Deployment ${id} of ${plainLine(name)}: ${plainLine(previous ?? 'no build')} → ${plainLine(build)}`,
    `Requested ${formatTime(new Date(deployment.requested_at))}${from}`,
    deploymentInWords(deployment),
    `Strategy: ${plainLine(JSON.stringify(deployment.strategy))}`,
    ...gateOf(deployment),
    ...blastRadiusOf(deployment),
    ...(found.length === 0 ? [] : ['', ...toFindingTable(found, formatTime)]),
  ];
}

function gateOf({ gate, held }: DeploymentJson): string[] {
  if (!gate) return [];
  const stay = held > 0 ? ` Held on the previous build: ${held}.` : '';
  return [
    `Gate: ${gate.replayed} histories replayed, ${gate.failed} cannot be replayed.${stay}`,
    ...gate.problems.map((problem) => `  ${plainLine(problem)}`),
    ...gate.examples.map(({ workflow_id: workflow, message }) => `  ${plainLine(workflow)}: ${plainLine(message)}`),
  ];
}

function blastRadiusOf({ blast_radius: blast }: DeploymentJson): string[] {
  if (!blast) return [];
  const effects = Object.entries(blast.effects).map(([effect, count]) => `${plainLine(effect)} ${count}`);
  const which = effects.length > 0 ? `: ${effects.join(', ')}` : '';
  return [
    `Blast radius: of ${blast.examined} instances, the candidate would do something with ${blast.changed} at their next task, and ` +
      `restart or stop ${blast.disruptive}${which}.`,
    ...blast.examples.map(({ workflow_id: workflow, effect }) => `  ${plainLine(workflow)}: ${plainLine(effect)}`),
  ];
}

function toFindingTable(found: readonly DeploymentInstance[], formatTime: Layout['formatTime']): string[] {
  const heads = ['INSTANCE', 'FOUND', 'WHAT', 'WELL SINCE', 'MESSAGE'];
  const lines = found.map((each) => [
    each.instance_id,
    formatTime(new Date(each.found_at)),
    findingInWords[each.finding],
    each.healed_at === null ? '' : formatTime(new Date(each.healed_at)),
    plainLine(each.message),
  ]);
  return table([heads.map((head) => colors.bold(head)), ...lines]);
}

const findingInWords: Readonly<Record<DeploymentFinding, string>> = {
  replay_failed: 'cannot be replayed',
  would_change: 'would change',
  held: 'stays on the previous build',
  probe_failed: 'does not answer',
  task_failed: 'task failed',
  instance_failed: 'failed',
  reset: 'was reset',
};

export function toBuildTable(builds: readonly WorkerBuild[], { formatTime }: Layout): string[] {
  const heads = ['NAME', 'BUILD', 'SERVES', 'WORKERS', 'FIRST SEEN'];
  const lines = builds.map((build) => [
    plainLine(build.deployment_name),
    plainLine(build.build_id),
    servedBy(build),
    build.is_running ? 'running' : 'none',
    formatTime(new Date(build.first_seen_at)),
  ]);
  return table([heads.map((head) => colors.bold(head)), ...lines]);
}

function servedBy({ is_current: isCurrent, ramping_percentage: percentage }: WorkerBuild): string {
  if (isCurrent) return 'current';
  return percentage === null ? '' : `${percentage} %`;
}

function colorOfDeployment(status: DeploymentStatus): (text: string) => string {
  switch (status) {
    case 'promoted':
    case 'drained':
      return colors.green;
    case 'rolling_back':
    case 'rolled_back':
    case 'refused':
      return colors.red;
    case 'requested':
    case 'waiting':
    case 'checking':
    case 'ramping':
    case 'promoting':
    case 'paused':
      return colors.yellow;
    case 'aborted':
    case 'superseded':
      return colors.dim;
  }
}
