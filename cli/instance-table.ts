import type { InstanceView } from '../database/instances/view.ts';
import { duration } from '../explain/duration.ts';
import { clipped, colorOfStatus, fittingTable, type Column as ColumnOf, type Layout } from './terminal.ts';
import { plainLine } from './plain-text.ts';

type Column = ColumnOf<InstanceView>;

interface TableOptions extends Layout {
  now?: Date;
}

/** A terminal gets the first of several forms that fits its width, a file or a pipe gets everything. */
export function toTable(
  instances: readonly InstanceView[],
  { formatTime, width, now = new Date() }: TableOptions,
): string[] {
  const short = shortest(instances.map(({ id }) => id));
  const status: Column = {
    head: 'STATUS',
    cell: (instance) => colorOfStatus(instance.status)(instance.status),
  };
  const wanted: Column = { head: 'WANTED', cell: (instance) => instance.desired_state };
  const generation: Column = { head: 'GENERATION', cell: generations };
  const reason: Column = { head: 'REASON', cell: (instance) => plainLine(instance.reason?.code ?? '') };
  const updated: Column = { head: 'UPDATED', cell: (instance) => formatTime(instance.updated_at) };
  const ago: Column = {
    head: 'UPDATED',
    cell: (instance) => `${duration(now.getTime() - instance.updated_at.getTime())} ago`,
  };
  const id = (length?: number): Column => ({
    head: 'ID',
    cell: (instance) => instance.id.slice(0, length),
  });
  const user = (length?: number): Column => ({
    head: 'USER',
    cell: (instance) => instance.user_id.slice(0, length),
  });
  const agent = (length?: number): Column => ({
    head: 'AGENT',
    cell: (instance) => clipped(agentOf(instance), length),
  });

  const forms = [
    [id(), status, wanted, generation, agent(), user(), updated, reason],
    [id(short), status, wanted, generation, agent(22), user(8), updated, reason],
    [id(short), status, wanted, agent(19), ago, reason],
  ];
  return fittingTable(instances, forms, width);
}

/** Length of the id column: eight characters, or more where the listed ids begin alike. */
function shortest(ids: string[]): number | undefined {
  return [8, 13, 18, 23].find((length) => new Set(ids.map((id) => id.slice(0, length))).size === ids.length);
}

/** E.g. `heartbeat 1.0.0`, or `heartbeat 1.0.0 → 1.1.0` while the version before still runs. */
function agentOf({
  agent_id: id,
  agent_name: name,
  agent_version: version,
  running_version: running,
}: InstanceView): string {
  const versions = running === null || running === version ? version : `${running} → ${version}`;
  return name === null ? id : plainLine(`${name} ${versions}`);
}

/** E.g. `3`, or `2 → 3` while the status still belongs to generation 2. */
function generations({ generation, observed_generation: observed }: InstanceView): string {
  return observed === generation ? String(generation) : `${observed} → ${generation}`;
}
