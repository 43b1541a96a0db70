import { expect } from 'vitest';
import type { Rig } from '../../support/rig.ts';
import type { World } from './model-world.ts';

/** An entry of the log about an instance or a rollout, in the order of the log. */
interface Entry {
  entity: string;
  eventId: string;
  cause: string | null;
  type: 'insert' | 'update' | 'delete';
  row: {
    agent_id: string;
    agent_version: string | null;
    version_policy: string;
    desired_state: string;
    status: string;
    /** Of a rollout. */
    promoted?: boolean;
    generation: number;
    observed_generation: number;
  };
}

interface MovedInstance {
  rollout: string;
  instance: string;
  from: string | null;
  generation: number;
  judged: boolean;
  outcome: string;
}

interface RolloutRow {
  id: string;
  version: string;
  status: string;
  strategy: { max_parallel: { count: number } };
}

/** What the log says happened in each rollout: who was moved, when, and what the instances were on at its end. */
export async function checkLog(world: World): Promise<void> {
  const { rig, agentId } = world;
  const entries = await readEntries(rig, world);
  const { rows: rollouts } = await rig.pool.query<RolloutRow>(
    'select id, version, status, strategy from rollouts where agent_id = $1 order by created_at',
    [agentId],
  );
  const { rows: moved } = await rig.pool.query<MovedInstance>(
    `select x.rollout_id as rollout, x.instance_id as instance, x.from_version as "from", x.generation::int, x.judged, x.outcome
     from rollout_instances x join rollouts r on r.id = x.rollout_id where r.agent_id = $1`,
    [agentId],
  );
  for (const rollout of rollouts) {
    checkRollout({ rollout, entries, moved: moved.filter((each) => each.rollout === rollout.id), agentId });
  }
}

function checkRollout({
  rollout,
  entries,
  moved,
  agentId,
}: {
  rollout: RolloutRow;
  entries: readonly Entry[];
  moved: readonly MovedInstance[];
  agentId: string;
}): void {
  const { version, strategy } = rollout;
  const named = `the rollout ${rollout.id} of ${version}, which is ${rollout.status}`;
  const ofRollout = entries.filter(({ entity }) => entity === rollout.id);
  const request = ofRollout[0];
  const end = ofRollout.at(-1);
  const judged = new Set(moved.flatMap((each) => (each.judged ? [each.instance] : [])));
  const rows = new Map<string, Entry['row']>();
  const touched = new Set<string>();
  /** Whose version is the choice of their users, and not the work of a rollout. */
  const chosen = new Set<string>();
  /** On the version by choice when the rollout was requested, which therefore left them alone. */
  let chosenBefore = new Set<string>();
  const moves = new Map<string, number[]>();
  const reverts = new Map<string, (string | null)[]>();
  /** Moved, and not seen running since. */
  const out = new Set<string>();

  for (const entry of entries) {
    const { entity, row, cause, type } = entry;
    if (entry === end) break;
    if (ofRollout.includes(entry)) {
      if (entry === request) {
        touched.clear();
        chosenBefore = new Set([...chosen].filter((id) => rows.get(id)?.agent_version === version));
      }
      // Whoever resumes a rollout knows of the failures, which take no places then.
      if (isResumed(ofRollout, entry)) for (const id of out) if (rows.get(id)?.status === 'failed') out.delete(id);
      continue;
    }
    if (row.agent_version !== rows.get(entity)?.agent_version) {
      if (cause === null) chosen.add(entity);
      else chosen.delete(entity);
    }
    // The status after the clean-up comes after the deletion.
    if (type === 'delete') rows.delete(entity);
    else if (type === 'insert' || rows.has(entity)) rows.set(entity, row);
    if (cause === request?.eventId) {
      if (row.agent_version !== version) {
        reverts.set(entity, [...(reverts.get(entity) ?? []), row.agent_version]);
        out.delete(entity);
        continue;
      }
      moves.set(entity, [...(moves.get(entity) ?? []), row.generation]);
      if (!judged.has(entity)) continue;
      out.add(entity);
      expect(out.size, `moved by ${named}, and not running yet`).toBeLessThanOrEqual(strategy.max_parallel.count);
      continue;
    }
    if (cause === null) touched.add(entity);
    const isOn = type !== 'delete' && row.agent_id === agentId && row.agent_version === version;
    const [generation = Infinity] = moves.get(entity) ?? [];
    const runs = row.status === 'running' && row.observed_generation >= generation;
    if (!isOn || row.desired_state === 'stopped' || runs) out.delete(entity);
  }

  for (const [instance, generations] of moves) {
    expect(generations, `generations in which ${named} moved ${instance}`).toEqual(
      moved.filter((each) => each.instance === instance).map(({ generation }) => generation),
    );
  }
  for (const [instance, versions] of reverts) {
    expect(versions, `the version that ${instance} got back from ${named}`).toHaveLength(1);
    const known = moved.find((each) => each.instance === instance);
    expect(known?.outcome, `outcome of ${instance} in ${named}`).toBe('reverted');
  }
  // Nobody but the rollout changed these while it was active.
  for (const [instance, row] of rows) {
    if (touched.has(instance) || row.agent_id !== agentId || row.version_policy !== 'follow') continue;
    const place = `${instance} at the end of ${named}`;
    const own = moved.find((each) => each.instance === instance);
    if (rollout.status === 'completed') expect(row.agent_version, `of ${place}`).toBe(version);
    else if (own?.outcome === 'reverted') expect(row.agent_version, `of ${place}`).toBe(own.from);
    else if (['rolled_back', 'refused'].includes(rollout.status) && !chosenBefore.has(instance))
      expect(row.agent_version, `of ${place}`).not.toBe(version);
  }
}

function isResumed(ofRollout: readonly Entry[], entry: Entry): boolean {
  const before = ofRollout[ofRollout.indexOf(entry) - 1]?.row;
  const { desired_state: desired, promoted } = entry.row;
  return (
    before !== undefined &&
    ((before.desired_state === 'paused' && desired === 'running') || promoted !== before.promoted)
  );
}

async function readEntries(rig: Rig, { agentId, ids }: World): Promise<Entry[]> {
  const { rows } = await rig.pool.query<Entry>(
    `select entity_id as entity, event_id as "eventId", causation_id as cause, notification ->> 'event_type' as type,
       notification -> 'row_data' as row
     from event_log where entity_id = any ($1) or entity_id in (select id from rollouts where agent_id = $2) order by id`,
    [ids, agentId],
  );
  return rows;
}
