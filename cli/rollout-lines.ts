import type { RolloutStatus } from '../contracts/names.ts';
import type { MovedInstance, RolloutJson, RolloutWithWaves } from '../database/rollouts/rollout-json.ts';
import { plainLine } from './plain-text.ts';
import { clipped, colors, fittingTable, table, type Column as ColumnOf, type Layout } from './terminal.ts';

type Column = ColumnOf<RolloutJson>;

/** A terminal gets the first of several forms that fits its width, a file or a pipe gets everything. */
export function toRolloutTable(rollouts: readonly RolloutJson[], { formatTime, width }: Layout): string[] {
  const id = (length?: number): Column => ({ head: 'ID', cell: (rollout) => rollout.id.slice(0, length) });
  const agent = (length?: number): Column => ({
    head: 'AGENT',
    cell: (rollout) => clipped(plainLine(rollout.agent_name), length),
  });
  const version = (length?: number): Column => ({
    head: 'VERSION',
    cell: (rollout) => clipped(plainLine(rollout.version), length),
  });
  const status: Column = { head: 'STATUS', cell: ({ status: of }) => colorOfRollout(of)(of) };
  const wave: Column = { head: 'WAVE', cell: (rollout) => String(rollout.wave) };
  const moved: Column = { head: 'MOVED', cell: (rollout) => `${rollout.moved}/${rollout.total}` };
  const failed: Column = { head: 'FAILED', cell: (rollout) => String(rollout.failed) };
  const requested: Column = { head: 'REQUESTED', cell: (rollout) => formatTime(new Date(rollout.created_at)) };
  const reason: Column = { head: 'REASON', cell: (rollout) => rollout.reason?.code ?? '' };
  return fittingTable(
    rollouts,
    [
      [id(), agent(), version(), status, wave, moved, failed, requested, reason],
      [id(8), agent(20), version(16), status, wave, moved, failed, requested, reason],
      [id(8), agent(12), version(10), status, moved, failed],
    ],
    width,
  );
}

/** E.g. `It is progressing in wave 2: 3 of 10 instances moved, 2 healthy, 0 failed.` */
export function rolloutInWords({ status, wave, moved, total, healthy, failed, reverted, reason }: RolloutJson): string {
  const counts = [
    `${moved} of ${total} instances moved`,
    `${healthy} healthy`,
    `${failed} failed`,
    ...(reverted > 0 ? [`${reverted} reverted`] : []),
  ];
  const where = wave > 0 ? ` in wave ${wave}` : '';
  const why = reason ? ` ${plainLine(reason.message)}` : '';
  return `It is ${inWords[status]}${where}: ${counts.join(', ')}.${why}`;
}

const inWords: Readonly<Record<RolloutStatus, string>> = {
  requested: 'requested',
  queued: 'queued',
  progressing: 'progressing',
  paused: 'paused',
  rolling_back: 'rolling back',
  completed: 'completed',
  rolled_back: 'rolled back',
  aborted: 'aborted',
  superseded: 'superseded',
  refused: 'refused',
};

/** @param failed the first instances that failed */
export function describeRollout(
  rollout: RolloutWithWaves,
  failed: readonly MovedInstance[],
  { formatTime }: Layout,
): string[] {
  const { id, agent_name: name, version, requested_by: by, created_at: at, strategy, waves } = rollout;
  const from = by === null ? '' : ` by ${plainLine(by)}`;
  return [
    `Rollout ${id} of ${plainLine(name)} ${plainLine(version)}, requested ${formatTime(new Date(at))}${from}`,
    rolloutInWords(rollout),
    `Strategy: ${plainLine(JSON.stringify(strategy))}`,
    ...(waves.length === 0 ? [] : ['', ...toWaveTable(waves, formatTime)]),
    ...(failed.length === 0 ? [] : ['', 'Failed:', ...failed.map(failureOf)]),
  ];
}

function toWaveTable(waves: RolloutWithWaves['waves'], formatTime: Layout['formatTime']): string[] {
  const heads = ['WAVE', 'MOVED', 'INSTANCES', 'AWAITED', 'HEALTHY', 'FAILED', 'LEFT', 'REVERTED', 'UNJUDGED'];
  const lines = waves.map((wave) => [
    wave.is_canary ? `${wave.wave} (canary)` : String(wave.wave),
    formatTime(new Date(wave.moved_at)),
    ...[wave.instances, wave.awaited, wave.healthy, wave.failed, wave.left, wave.reverted, wave.unjudged].map(String),
  ]);
  return table([heads.map((head) => colors.bold(head)), ...lines]);
}

function failureOf({ instance_id: id, message }: MovedInstance): string {
  return `${id}  ${plainLine(message ?? 'It gave no reason.')}`;
}

function colorOfRollout(status: RolloutStatus): (text: string) => string {
  switch (status) {
    case 'completed':
      return colors.green;
    case 'rolling_back':
    case 'rolled_back':
    case 'refused':
      return colors.red;
    case 'requested':
    case 'progressing':
    case 'paused':
      return colors.yellow;
    case 'queued':
    case 'aborted':
    case 'superseded':
      return colors.dim;
  }
}
